import { printable, printableLines } from "../client/cli/terminal";
import { ACTIONS, type Action } from "./actions";
import { labelOf } from "./rendering";
import { type PlannedReview, type Review, isEmpty, lossOf } from "./review";
import { detailsOf, driftDetails, sayWarning, summaryOf } from "./words";

/** What begins and what ends each style: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/ */
const SGR = {
  bold: [1, 22],
  dim: [2, 22],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

type Style = keyof typeof SGR;

const sgr = (code: number) => `\u001b[${code}m`;

const STYLES: Readonly<Record<Action, Style>> = {
  destroy: "red",
  replace: "red",
  forget: "yellow",
  update: "yellow",
  create: "green",
  move: "cyan",
  import: "cyan",
  read: "cyan",
};

export interface TerminalOptions {
  readonly colour: boolean;
  /** Whether to add Terraform's own text, which has the values. */
  readonly text: boolean;
}

/** Whether a terminal is to have colour. https://no-color.org */
export const wantsColour = (stream: { isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean =>
  stream.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";

/** A review for people at a terminal: what is grave first, a line each. */
export function toTerminal(review: Review, { colour, text }: TerminalOptions): string {
  const style = (name: Style, words: string) =>
    colour ? sgr(SGR[name][0]) + words + sgr(SGR[name][1]) : words;
  const title = style("bold", review.stage);
  if (review.status === "failed") return `${title}: ${style("red", printable(review.error))}`;
  if (review.status === "same") return `${title}: no infrastructure change`;
  const summary = `${title}: ${summaryOf(review)}`;
  const lines = [...lossLines(review, style), ...changeLines(review, style), ...otherLines(review, style)];
  const own = text ? ownText(review) : [];
  return [summary, ...lines, ...own].join("\n");
}

type Styler = (name: Style, words: string) => string;

function lossLines({ changes }: PlannedReview, style: Styler): string[] {
  return changes.flatMap((change) => {
    const loss = lossOf(change);
    return loss === undefined
      ? []
      : [`  ${style("inverse", ` DATA IS LOST: ${printable(labelOf(change))}: ${loss}. `)}`];
  });
}

function changeLines({ changes }: PlannedReview, style: Styler): string[] {
  return changes.map((change) => {
    const { action, path } = change;
    const details = detailsOf(change, printable).join("; ");
    return [
      `  ${style(STYLES[action], `${ACTIONS[action].sign.padStart(3)} ${action.padEnd(7)}`)}`,
      printable(labelOf(change)),
      path === undefined ? "" : style("cyan", `(${printable(path)})`),
      details && style("dim", details),
    ]
      .filter((part) => part !== "")
      .join("  ");
  });
}

function otherLines(review: PlannedReview, style: Styler): string[] {
  const outputs = review.outputs.map(
    ({ name, action }) =>
      `  ${style(STYLES[action], `${ACTIONS[action].sign.padStart(3)} output `)}  ${printable(name)}`,
  );
  const drift = review.drift.map((one) =>
    [
      `  ${style("yellow", "  ! outside")}`,
      printable(one.address),
      one.path === undefined ? "" : style("cyan", `(${printable(one.path)})`),
      style("dim", driftDetails(one, printable)),
    ]
      .filter((part) => part !== "")
      .join("  "),
  );
  const warnings = review.warnings.map((one) => `  ${style("yellow", "  ! warning")}  ${sayWarning(one)}`);
  return [...outputs, ...drift, ...warnings];
}

const ownText = (review: PlannedReview): string[] =>
  isEmpty(review)
    ? []
    : [
        "",
        ...[...review.changes.map(({ text }) => text), review.outputsText]
          .filter((part) => part !== "")
          .map((part) => `${printableLines(part)}\n`),
      ];
