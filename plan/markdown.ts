import { ACTIONS, ACTION_NAMES } from "./actions";
import { code, fenceFor, fenced } from "./escape";
import { PAGE_BYTES, type Part, paginate } from "./pages";
import { labelOf } from "./rendering";
import { type Change, type PlannedReview, type Review, countsOf, digestOf, isEmpty, lossOf } from "./review";
import { detailsOf, driftDetails, sayWarning, shorten } from "./words";

/** What a review is of, and where the rest of it is. */
export interface About {
  /** The title: Terraform plan. */
  readonly title: string;
  /** The commit that was planned, 40 hexadecimal digits. */
  readonly commit?: string;
  /** Where the whole of it can be downloaded. */
  readonly url?: string;
  /** Sentences of Markdown to read before all else. */
  readonly warnings?: readonly string[];
}

/** Of changes that are not grave, so many stand open; more are folded. */
const OPEN_LINES = 50;
/** Lines may take so many pages before they are counted only; grave ones take as many as they need. */
const MOST_PAGES = 5;
/** Of warnings, so many are shown. */
const MOST_WARNINGS = 20;

/** Reviews as Markdown, on as many pages as GitHub's limit makes of them. */
export function toMarkdown(reviews: readonly Review[], about: About, room = PAGE_BYTES): string[] {
  const planned = reviews.filter((review) => review.status === "planned");
  return paginate(
    [
      ...head(reviews, about),
      ...planned.flatMap((review) => losses(review)),
      ...reviews.flatMap((review) => ("changes" in review ? stageLines(review) : [])),
      ...planned.flatMap((review) => foldedLines(review, about)),
      ...planned.flatMap((review) => ownText(review, true, about)),
      ...planned.flatMap((review) => ownText(review, false, about)),
    ],
    room,
  );
}

const lines = (...texts: string[]): Part[] => texts.map((line) => ({ line }));

function head(reviews: readonly Review[], { title, commit, url, warnings = [] }: About): Part[] {
  const of = commit === undefined ? "" : ` of ${code(commit.slice(0, 10))}`;
  const planned = reviews.filter((review) => review.status === "planned");
  const columns = ACTION_NAMES.filter((action) => planned.some((review) => countsOf(review)[action] > 0));
  const drifted = planned.some(({ drift }) => drift.length > 0) ? ["changed outside"] : [];
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const table = [
    row(["stage", ...columns.map((action) => ACTIONS[action].says), ...drifted, "plan"]),
    row(["---", ...[...columns, ...drifted].map(() => "---:"), "---"]),
    ...reviews.map((review) => {
      const counts = review.status === "planned" ? countsOf(review) : undefined;
      const cells = columns.map((action) => {
        const count = counts?.[action] ?? 0;
        return count === 0 ? "" : ACTIONS[action].grave ? `**${count}**` : String(count);
      });
      const outside = review.status === "planned" && review.drift.length > 0 ? review.drift.length : "";
      return row([review.stage, ...cells, ...drifted.map(() => String(outside)), verdict(review)]);
    }),
  ];
  const failures = reviews.flatMap((review) =>
    review.status === "failed"
      ? [caution(`**${review.stage} could not be planned.** ${code(review.error)}`)]
      : [],
  );
  const where = url === undefined ? [] : ["", `[The run](${url}) has all of it, as artifacts.`];
  return lines(`## ${title}${of}`, ...warnings.map(caution), "", ...table, ...where, "", ...failures);
}

function verdict(review: Review): string {
  if (review.status === "failed") return "failed";
  if (review.status === "same") return "no infrastructure change";
  return isEmpty(review) ? "nothing to do" : `\`${digestOf(review).slice(0, 12)}\``;
}

/** https://docs.github.com/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#alerts */
const caution = (sentence: string) => `\n> [!CAUTION]\n> ${sentence}\n`;

const losses = ({ stage, changes }: PlannedReview): Part[] =>
  changes.flatMap((change) => {
    const loss = lossOf(change);
    const verb = change.action === "destroy" ? "is destroyed" : "is replaced";
    return loss === undefined
      ? []
      : lines(caution(`**Data is lost in ${stage}**: ${nameOf(change)} ${verb}, and ${loss}.`));
  });

const nameOf = (one: { address: string; deposed?: string; path?: string }) =>
  code(shorten(labelOf(one))) + (one.path === undefined ? "" : ` (${code(shorten(one.path))})`);

function changeLine(change: Change): string {
  const details = detailsOf(change, code).join("; ");
  return `- **${change.action}** ${nameOf(change)}${details === "" ? "" : `: ${details}`}`;
}

/** The lines of a stage: what is grave, what Terraform warns of, and what else there is. */
function splitLines(review: PlannedReview): { grave: string[]; warnings: string[]; others: string[] } {
  const { changes, outputs, drift, warnings } = review;
  const outside = drift.map((one) => `- ${nameOf(one)}: ${driftDetails(one, code)}`);
  return {
    grave: changes.filter(isGrave).map(changeLine),
    warnings: [
      ...warnings.slice(0, MOST_WARNINGS).map((one) => `- **warning** ${code(sayWarning(one))}`),
      ...(warnings.length > MOST_WARNINGS ? [`- and ${warnings.length - MOST_WARNINGS} more warnings`] : []),
    ],
    others: [
      ...changes.filter((change) => !isGrave(change)).map(changeLine),
      ...outputs.map(({ name, action }) => `- **${action}** output ${code(shorten(name))}`),
      ...(outside.length > 0 ? ["\nChanged outside of Terraform since it last looked:\n", ...outside] : []),
    ],
  };
}

function stageLines(review: PlannedReview): Part[] {
  const { grave, warnings, others } = splitLines(review);
  if (grave.length + warnings.length + others.length === 0) return [];
  const shown = others.length > OPEN_LINES ? [] : others;
  return lines(`### ${review.stage}`, "", ...grave, ...warnings, ...shown, "");
}

function foldedLines(review: PlannedReview, about: About): Part[] {
  const { others } = splitLines(review);
  if (others.length <= OPEN_LINES) return [];
  return [
    {
      open: `<details><summary>${review.stage}: ${others.length} lines that destroy nothing</summary>\n`,
      close: "\n</details>\n",
      lines: others,
      lastPage: MOST_PAGES,
      leftOut: (out) => `${out.length} further lines of ${review.stage} are left out${elsewhere(about)}\n`,
    },
  ];
}

const isGrave = ({ action }: Change) => ACTIONS[action].grave;

/** Terraform's own text, of each change whole or not at all: it is what gives way, what is grave last. */
function ownText(review: PlannedReview, grave: boolean, about: About): Part[] {
  const { stage, changes, outputsText } = review;
  const texts = changes.filter((change) => isGrave(change) === grave).map(({ text }) => text);
  const blocks = [...texts, grave ? "" : outputsText]
    .filter((text) => text !== "")
    .map((text) => `${fenced(text)}\n`);
  if (blocks.length === 0) return [];
  const fence = fenceFor(blocks);
  const what = grave ? "what is destroyed or replaced" : "what else changes";
  return [
    {
      open: `<details><summary>${stage}: Terraform's own text of ${what}</summary>\n\n${fence}hcl`,
      close: `${fence}\n\n</details>\n`,
      lines: blocks,
      lastPage: 1,
      leftOut: (out) =>
        `Terraform's text of ${out.length} changes of ${stage} is left out${elsewhere(about)}\n`,
    },
  ];
}

const elsewhere = ({ url }: About) =>
  url === undefined ? ", for its length." : `, for its length: [the run's artifacts](${url}) have all.`;
