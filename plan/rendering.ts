import { quote } from "../common/quote";
import type { NamedChange, PlanNames } from "./names";
import { PlanError } from "./terraform";

/** Terraform's own text of a plan, in which it masks what is sensitive, in pieces. */
export interface Rendering {
  /** The text of each change, by its label ({@link labelOf}). */
  readonly resources: ReadonlyMap<string, string>;
  /** The text of the outputs; empty where they stay. */
  readonly outputs: string;
}

/** Terraform's name for an object: an address, and the key of what a failed replacement has left behind. */
export const labelOf = ({ address, deposed }: { address: string; deposed?: string | undefined }) =>
  deposed === undefined ? address : `${address} (deposed object ${deposed})`;

/**
 * Takes Terraform's text apart. Each line about changes or outputs gets into exactly one piece.
 *
 * @param text what `terraform show -no-color` prints of a plan's file
 * @throws PlanError where a line gets into none, or a change has none
 */
export function readRendering(text: string, names: Pick<PlanNames, "changes" | "blocks">): Rendering {
  const { changes, outputs, end } = sectionsOf(text);
  const stray = end.find((line) => line !== "");
  if (stray !== undefined) throw notUnderstood(stray);
  return { resources: piecesOf(changes, names), outputs: textOf(outputs) };
}

/*
 * The lines of a change, as Terraform (1.10 to 1.15) and OpenTofu (1.10 to 1.12) print them, in
 * internal/command/jsonformat/plan.go: a heading, notes, the line that names the block, its body, a blank line. Values
 * are indented by four columns or more, so a line of a value looks like none of the others. OpenTofu indents what it
 * forgets by four columns less.
 */
const HEADING = /^ {1,2}# (.+)$/s;
const NOTE = /^ {1,2}(?:# |\(because )/;
const BLOCK = /^[ .+\-/~<=]{2,5} ((?:resource|data) "[^"]*" "[^"]*")(?: |$)/;
const BODY = /^(?: {4}|\}$|$)/;
/** The lines between the changes. */
const PROSE = /^[^\s}]/;

/** The parts of the text. The introduction has changes that others have made, and a legend. */
type Section = "introduction" | "changes" | "outputs" | "end";

const SECTIONS: readonly (readonly [prose: RegExp, section: Section])[] = [
  [/^\S+ will perform the following actions:$/, "changes"],
  [/^Changes to Outputs:$/, "outputs"],
];

function sectionsOf(text: string): Record<Section, string[]> {
  const sections: Record<Section, string[]> = { introduction: [], changes: [], outputs: [], end: [] };
  let section: Section = "introduction";
  for (const line of text.split("\n")) {
    if (!PROSE.test(line) || (section === "changes" && BLOCK.test(line))) sections[section].push(line);
    else {
      const [, next] = SECTIONS.find(([prose]) => prose.test(line)) ?? [];
      section = next ?? (section === "introduction" ? section : "end");
    }
  }
  return sections;
}

interface Piece {
  readonly label: string;
  readonly block: string | undefined;
  readonly lines: string[];
  /** Whether the line that names the block has come. */
  hasBlock: boolean;
}

function piecesOf(
  lines: readonly string[],
  { changes, blocks }: Pick<PlanNames, "changes" | "blocks">,
): Map<string, string> {
  const labels = new Map(changes.map((change) => [headingOf(change), labelOf(change)]));
  const pieces = new Map<string, Piece>();
  let piece: Piece | undefined;
  for (const line of lines) {
    const label = piece?.hasBlock === false ? undefined : labelIn(line, labels);
    if (label !== undefined && !pieces.has(label)) {
      piece = { label, block: blocks.get(label), lines: [line], hasBlock: false };
      pieces.set(label, piece);
    } else if (piece === undefined) {
      if (line !== "") throw notUnderstood(line);
    } else {
      take(piece, line);
    }
  }
  const missing = [...labels.values()].find((label) => !pieces.get(label)?.hasBlock);
  if (missing !== undefined) throw withoutBlock(missing);
  return new Map([...pieces].map(([label, { lines: own }]) => [label, textOf(own)]));
}

function take(piece: Piece, line: string): void {
  const [, block] = BLOCK.exec(line) ?? [];
  if (!piece.hasBlock && line === "") throw withoutBlock(piece.label);
  const isBlock = !piece.hasBlock && block !== undefined && block === piece.block;
  if (!isBlock && !(piece.hasBlock ? BODY : NOTE).test(line)) throw notUnderstood(line);
  piece.hasBlock ||= isBlock;
  piece.lines.push(line);
}

/** How a change's heading begins. What moves and stays as it is has its former address first. */
const headingOf = (change: NamedChange): string =>
  change.action === "move" ? `${change.movedFrom} has moved to ${labelOf(change)}` : labelOf(change);

/** The label of the change that a line is the heading of. After it come words; it may have spaces itself. */
function labelIn(line: string, labels: ReadonlyMap<string, string>): string | undefined {
  const heading = HEADING.exec(line)?.[1] ?? "";
  for (let end = heading.length; end > 0; end = heading.lastIndexOf(" ", end - 1)) {
    const label = labels.get(heading.slice(0, end));
    if (label !== undefined) return label;
  }
  return undefined;
}

const textOf = (lines: readonly string[]) => lines.join("\n").trimEnd();

const notUnderstood = (line: string) =>
  new PlanError(`The review does not understand a line of Terraform's plan: ${quote(line)}.`);

const withoutBlock = (label: string) =>
  new PlanError(`Terraform's text of the plan has no block of ${label}.`);
