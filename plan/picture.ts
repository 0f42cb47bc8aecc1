import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { HtmlRenderer, Parser } from "commonmark";
import { toMarkdown } from "./markdown";
import type { NamedChange, PlanNames } from "./names";
import { type Review, reviewOf } from "./review";

/** Where README.md has it from. */
export const PICTURE = join(__dirname, "comment.svg");

const WIDTH = 980;
const HEIGHT = 650;

const BUCKET = "aws_s3_bucket.content_bucket_173C8D7A";
const SIGNER = "aws_lambda_function.signer_function_8CC9D3A5";

const paths = new Map([
  ["aws_sqs_queue.queue_140BE0E7", "queue/queue"],
  ["aws_sqs_queue.queue_dead-letter-queue_093CB16D", "queue/dead-letter-queue"],
  ["aws_cloudwatch_metric_alarm.alarms_oldest-message_FC91392B", "alarms/oldest-message"],
  [BUCKET, "content/bucket"],
  [SIGNER, "signer/function"],
]);

const change = (
  action: NamedChange["action"],
  address: string,
  more: Partial<NamedChange> = {},
): NamedChange => ({
  address,
  type: address.split(".")[0] ?? "",
  action,
  forcedBy: [],
  attributes: [],
  digest: "",
  ...more,
});

/** A pull request that renames the queue and drops an alarm; meanwhile somebody has tagged a bucket by hand. */
const names: PlanNames = {
  changes: [
    change("replace", "aws_sqs_queue.queue_140BE0E7", {
      reason: "replace_because_cannot_update",
      forcedBy: ["name"],
    }),
    change("destroy", "aws_cloudwatch_metric_alarm.alarms_oldest-message_FC91392B", {
      reason: "delete_because_no_resource_config",
    }),
    change("update", "aws_sqs_queue.queue_dead-letter-queue_093CB16D", {
      attributes: ["redrive_allow_policy"],
    }),
    change("update", SIGNER, { attributes: ["last_modified", "source_code_hash"] }),
    change("update", BUCKET, { attributes: ["tags", "tags_all"] }),
  ],
  drift: [{ address: BUCKET, type: "aws_s3_bucket", action: "update", attributes: ["tags", "tags_all"] }],
  outputs: [{ name: "queue_url", action: "update", digest: "" }],
  deferred: [],
  blocks: new Map(),
};

const rendering = {
  resources: new Map(names.changes.map(({ address }) => [address, `  # ${address}`])),
  outputs: "  ~ queue_url = (known after apply)",
};

const reviews: Review[] = [
  reviewOf("dev", { names, rendering, diagnostics: [], paths }),
  { status: "same", stage: "test" },
  { status: "same", stage: "prod" },
];

const toHtml = (markdown: string) => new HtmlRenderer().render(new Parser().parse(markdown));

/** What GitHub makes of Markdown, where it is more than CommonMark: tables and alerts. */
function toGitHubHtml(markdown: string): string {
  const table = /(?:^\|.*\|\n)+/m;
  const rows = (table.exec(markdown)?.[0] ?? "").trim().split("\n");
  const cells = rows
    .filter((_, index) => index !== 1)
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => `<td>${toHtml(cell.trim()).replace(/<\/?p>/g, "")}</td>`),
    );
  const html = `<table>${cells.map((row) => `<tr>${row.join("")}</tr>`).join("")}</table>`;
  return toHtml(markdown.replace(table, `${html}\n`))
    .replaceAll("<blockquote>\n<p>[!CAUTION]\n", '<blockquote><p><b class="caution">Caution</b></p><p>')
    .replaceAll("<details>", '<details class="fold">');
}

const STYLE = `
  .page { font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; color: #1f2328;
    background: #fff; border: 1px solid #d1d9e0; border-radius: 6px; overflow: hidden; }
  .head { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e; }
  .head b { color: #1f2328; } .head i { font-style: normal; font-size: 12px; border: 1px solid #d1d9e0;
    border-radius: 2em; padding: 0 7px; }
  .body { padding: 4px 16px 16px; } h2 { font-size: 20px; border-bottom: 1px solid #d1d9e0; padding-bottom: 4px;
    margin: 12px 0; } h3 { font-size: 16px; margin: 16px 0 8px; } p { margin: 0 0 10px; } ul { margin: 0 0 10px;
    padding-left: 24px; } code { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
    background: #eff1f3; padding: 2px 5px; border-radius: 6px; } table { border-collapse: collapse; margin: 0 0 12px; }
  td { white-space: nowrap; border: 1px solid #d1d9e0; padding: 5px 12px; } tr:first-child td { font-weight: 600; background: #f6f8fa; }
  blockquote { border-left: 4px solid #d1242f; margin: 0 0 12px; padding: 4px 14px; } blockquote p { margin: 2px 0; }
  .caution { color: #d1242f; font-weight: 500; } a { color: #0969da; } summary { margin: 4px 0; }
  details > *:not(summary) { display: none; }`;

/** Draws the comment that this pull request would get. */
export function drawPicture(): string {
  const [page = ""] = toMarkdown(reviews, {
    title: "Terraform plan",
    commit: "4f1c9d2ab7".repeat(4),
    url: "https://github.com/OWNER/NAME/actions/runs/1",
  });
  const head = "<b>github-actions</b> <i>bot</i> commented 2 minutes ago · edited";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}">
<foreignObject width="${WIDTH}" height="${HEIGHT}"><div xmlns="http://www.w3.org/1999/xhtml"><style>${STYLE}
</style><div class="page"><div class="head">${head}</div><div class="body">
${toGitHubHtml(page)}</div></div></div></foreignObject>
</svg>
`;
}

if (require.main === module) writeFileSync(PICTURE, drawPicture());
