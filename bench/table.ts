/** Contenders side by side, ours first. */
export interface Comparison {
  readonly title: string;
  readonly contenders: readonly string[];
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

/** What was measured of every contender, the others' values divided by ours, and whether that is what we promise. */
export interface Row {
  readonly what: string;
  readonly values: readonly number[];
  readonly ratios: readonly number[];
  readonly goal?: string;
}

/** What the project promises, of our value and of the others' ratios to it. */
export interface Goal {
  readonly text: string;
  readonly holds: (ours: number, ratios: readonly number[]) => boolean;
}

/** @param values in the contenders' order */
export function row(what: string, values: readonly number[], goal?: Goal): Row {
  const [ours = NaN, ...others] = values;
  const ratios = others.map((value) => value / ours);
  return {
    what,
    values,
    ratios,
    ...(goal && { goal: `${goal.text}: ${goal.holds(ours, ratios) ? "met" : "missed"}` }),
  };
}

const format = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(value < 1 ? 2 : 3);

/** A comparison as aligned columns, its goals at the end of the lines, its notes below. */
export function render({ title, contenders, rows, notes }: Comparison): string {
  const table = [
    [title, ...contenders, ...contenders.slice(1).map((name) => `${name} / ${contenders[0]}`), ""],
    ...rows.map(({ what, values, ratios, goal = "" }) => [what, ...[...values, ...ratios].map(format), goal]),
  ];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0))) ?? [];
  const lines = table.map((cells) => {
    const padded = widths.map((width, column) => {
      const isText = column === 0 || column === widths.length - 1;
      return isText ? cells[column]?.padEnd(width) : cells[column]?.padStart(width);
    });
    return padded.join("  ").trimEnd();
  });
  return [...lines, ...notes].join("\n");
}
