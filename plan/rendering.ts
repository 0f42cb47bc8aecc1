/** Terraform's own text of a plan, in which it masks what is sensitive, in pieces. */
export interface Rendering {
  /** What is said of each resource, by what {@link labelOf} calls it. */
  readonly resources: ReadonlyMap<string, string>;
  /** What is said of the outputs; empty where they stay. */
  readonly outputs: string;
}

/** Terraform's name for an object: an address, and the key of what a failed replacement has left behind. */
export const labelOf = ({ address, deposed }: { address: string; deposed?: string | undefined }) =>
  deposed === undefined ? address : `${address} (deposed object ${deposed})`;

/** Nothing of a value stands in the first column, or after two spaces and a hash: values are indented further. */
const ACTIONS = /^\S+ will perform the following actions:/;
const SUMMARY = /^(Plan:|Changes to Outputs:|No changes\.|You can apply this plan)/;
const OUTPUTS = "Changes to Outputs:";
const HEADING = "  # ";
/** What moves and stays as it is has its old name first. */
const MOVED = /^.+ has moved to (.+)$/;

/**
 * Takes Terraform's text apart.
 *
 * @param text what `terraform plan -no-color` printed, or `terraform show -no-color` of its file
 * @param labels what the plan changes, as {@link labelOf} says
 */
export function readRendering(text: string, labels: Iterable<string>): Rendering {
  const known = new Set(labels);
  const resources = new Map<string, string[]>();
  const outputs: string[] = [];
  let target: string[] | undefined;
  let inActions = false;
  for (const line of text.split("\n")) {
    if (target === outputs && /^\S/.test(line)) target = undefined;
    if (ACTIONS.test(line)) inActions = true;
    else if (SUMMARY.test(line)) {
      inActions = false;
      target = line.startsWith(OUTPUTS) ? outputs : undefined;
    } else if (inActions && line.startsWith(HEADING)) {
      const heading = line.slice(HEADING.length);
      // A second line of a heading is in parentheses: why, or where from.
      if (!heading.startsWith("(")) {
        const label = longestPrefix(MOVED.exec(heading)?.[1] ?? heading, known);
        target = label === undefined ? undefined : (resources.get(label) ?? []);
        if (label !== undefined && target !== undefined) resources.set(label, target);
      }
    }
    if (!line.startsWith(OUTPUTS)) target?.push(line);
  }
  const join = (lines: readonly string[]) => lines.join("\n").trimEnd();
  return {
    resources: new Map([...resources].map(([label, lines]) => [label, join(lines)])),
    outputs: join(outputs),
  };
}

/** A heading is a label and then words; a label may have spaces itself. */
function longestPrefix(heading: string, known: ReadonlySet<string>): string | undefined {
  for (let end = heading.length; end > 0; end = heading.lastIndexOf(" ", end - 1)) {
    const label = heading.slice(0, end);
    if (known.has(label)) return label;
  }
  return undefined;
}
