import { type Node, Parser } from "commonmark";
import * as fc from "fast-check";
import { ACTION_NAMES } from "../../plan/actions";
import { toMarkdown } from "../../plan/markdown";
import { PAGE_BYTES } from "../../plan/pages";
import type { Change, Review } from "../../plan/review";
import { change, planned } from "./tools";

const about = {
  title: "Terraform plan",
  commit: "0123456789".repeat(4),
  url: "https://github.com/o/r/actions/runs/1",
};

/** What a reader makes of Markdown: its nodes, and what stands in those that could do anything. */
function nodesOf(markdown: string) {
  const walker = new Parser().parse(markdown).walker();
  const nodes: Node[] = [];
  for (let step = walker.next(); step; step = walker.next()) if (step.entering) nodes.push(step.node);
  const alive = nodes.filter(({ type }) => ["text", "html_block", "html_inline"].includes(type));
  return { types: nodes.map(({ type }) => type), alive: alive.map(({ literal }) => literal ?? "") };
}

const render = (...reviews: Review[]) => toMarkdown(reviews, about);

test("the gravest stands first: what is lost, then what is destroyed and replaced, then the rest, then Terraform's text", () => {
  const [page = "", ...further] = render(
    planned({
      changes: [
        change({ action: "destroy", address: "aws_kms_key.k", type: "aws_kms_key", text: "KEY" }),
        change({
          action: "replace",
          address: "aws_iam_role.r",
          type: "aws_iam_role",
          forcedBy: ["name"],
          path: "signer/role",
        }),
        change({ attributes: ["tags"], movedFrom: "aws_s3_object.dog", text: "CAT" }),
      ],
      drift: [
        { address: "aws_sqs_queue.q", type: "aws_sqs_queue", action: "update", attributes: ["policy"] },
      ],
      warnings: [{ summary: "Check block assertion failed", detail: "It is down." }],
    }),
    { status: "same", stage: "test" },
    { status: "failed", stage: "prod", error: "AWS refuses the credentials." },
  );
  expect(further).toEqual([]);
  const order = [
    "## Terraform plan of `0123456789`",
    "| stage | to destroy | to replace | to update | changed outside | plan |",
    "| dev | **1** | **1** | 1 | 1 | `",
    "| test |  |  |  |  | no infrastructure change |",
    "| prod |  |  |  |  | failed |",
    "**prod could not be planned.** `AWS refuses the credentials.`",
    "**Data is lost in dev**: `aws_kms_key.k` is destroyed, and nothing that it encrypted can be read again.",
    "### dev",
    "- **destroy** `aws_kms_key.k`\n",
    "- **replace** `aws_iam_role.r` (`signer/role`): `name` cannot be changed in place\n",
    "- **warning** `Check block assertion failed: It is down.`\n",
    "- **update** `aws_s3_object.cat`: `tags`; moved from `aws_s3_object.dog`\n",
    "Changed outside of Terraform since it last looked:",
    "- `aws_sqs_queue.q`: `policy`\n",
    "<summary>dev: Terraform's own text of what is destroyed or replaced</summary>",
    "KEY",
    "<summary>dev: Terraform's own text of what else changes</summary>",
    "CAT",
  ].map((text) => page.indexOf(text));
  expect(order).not.toContain(-1);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test("thousands of destructions are all there, on as many pages as they need; nothing of Terraform's text pushes them away", () => {
  const changes = Array.from({ length: 3000 }, (_, index) =>
    change({
      action: "destroy",
      address: `aws_s3_bucket.b[${index}]`,
      type: "aws_s3_bucket",
      text: "x".repeat(2000),
    }),
  );
  const pages = render(
    planned({ changes }),
    planned({ stage: "prod", changes: [change({ action: "destroy" })] }),
  );
  const all = pages.join("\n");
  for (const { address } of changes) {
    expect(all).toContain(`**Data is lost in dev**: \`${address}\` is destroyed`);
    expect(all).toContain(`- **destroy** \`${address}\``);
  }
  expect(all).toContain("- **destroy** `aws_s3_object.cat`");
  expect(all).toMatch(
    /Terraform's text of \d+ changes of dev is left out, for its length: \[the run's artifacts\]\(https/,
  );
  for (const page of pages) expect(Buffer.byteLength(page)).toBeLessThanOrEqual(PAGE_BYTES);
});

test("thousands of creations are folded, and counted where five pages do not hold them", () => {
  const changes = Array.from({ length: 20_000 }, (_, index) =>
    change({ action: "create", address: `aws_x.y[${index}]` }),
  );
  const pages = render(planned({ changes }));
  expect(pages).toHaveLength(5);
  const listed = pages.join("\n").match(/^- \*\*create\*\* /gm) ?? [];
  const [, counted] = /(\d+) further lines of dev are left out/.exec(pages.at(-1) ?? "") ?? [];
  expect(listed.length + Number(counted)).toBe(20_000);
  for (const page of pages) {
    expect(Buffer.byteLength(page)).toBeLessThanOrEqual(PAGE_BYTES);
    expect(page.match(/<details>/g)).toHaveLength(1);
    expect(page.match(/<\/details>/g)).toHaveLength(1);
  }
});

test("of hundreds of warnings, twenty are there, and the others are counted", () => {
  const warnings = Array.from({ length: 300 }, (_, index) => ({ summary: `Deprecated ${index}` }));
  const [page = ""] = render(planned({ warnings }));
  expect(page.match(/^- \*\*warning\*\* /gm)).toHaveLength(20);
  expect(page).toContain("\n- and 280 more warnings\n");
});

test("Terraform's text is there for each change whole or not at all", () => {
  const big = change({ address: "aws_x.big", text: `BEGIN${"x".repeat(PAGE_BYTES)}END` });
  const small = change({ address: "aws_x.small", text: "SMALL" });
  const [page = "", ...further] = render(planned({ changes: [big, small] }));
  expect(further).toEqual([]);
  expect([page.includes("BEGIN"), page.includes("SMALL")]).toEqual([false, true]);
  expect(page).toContain("Terraform's text of 1 changes of dev is left out");
});

const ATTACKS = [
  "``` \n</details>\n<img src=x onerror=alert(1)> @everybody #1",
  "`",
  "``a``",
  " ` ",
  "<!-- tweedle-plan 1 -->",
  "\n\n# heading\n\n> [!NOTE]\n",
  "a\r\nb\u2028c\u202Ed",
  "[x](javascript:alert(1)) ![y](https://example.com/z)",
  "| a | b |\n|---|---|",
  "https://example.com www.example.com a@example.com owner/repo#1",
  "~~~\n~~~\n````\n`````",
  "\\`\\",
  "&lt;b&gt;",
  "$`x`$",
];

/** A review whose every word of others is an attack. */
const attacked = (words: string) => {
  const changes: Change[] = ACTION_NAMES.map((action) =>
    change({
      action,
      address: words,
      type: "aws_s3_bucket",
      path: words,
      attributes: [words],
      forcedBy: [words],
      movedFrom: words,
      deposed: words,
      invokes: [words],
      text: `  # x\n      + a = <<-EOT\n            ${words.replaceAll("\n", "\n            ")}\n        EOT`,
    }),
  );
  return planned({
    changes,
    drift: [{ address: words, type: "aws_x", action: "update", attributes: [words], path: words }],
    outputs: [{ name: words, action: "update", digest: "" }],
    outputsText: `  + ${words}`,
    warnings: [{ summary: words, detail: words, address: words }],
  });
};

/** What stays of Markdown once the words of others are taken out of spans and blocks: the same, whatever they are. */
const skeleton = (words: string) => {
  const [page = ""] = render(attacked(words), { status: "failed", stage: "prod", error: words });
  const { alive, types } = nodesOf(page);
  return { alive: alive.join("\n").replace(/\(?[0-9a-f]{12}\)?/g, ""), types };
};

test.each(ATTACKS)("%j is nothing but text, wherever it stands", (words) => {
  expect(skeleton(words)).toEqual(skeleton("aws_x.y"));
});

test("no words at all change the skeleton of a page", () => {
  const words = fc.string({
    unit: fc.constantFrom(
      "`",
      "~",
      "<",
      ">",
      "\n",
      "\r",
      "#",
      "@",
      " ",
      "\\",
      "|",
      "-",
      "*",
      "_",
      "a",
      "[",
      "]",
      "(",
      ")",
      "!",
      "&",
      ";",
      "\t",
    ),
    minLength: 1,
    maxLength: 30,
  });
  const expected = skeleton("aws_x.y");
  fc.assert(
    fc.property(words, (given) => {
      // Spaces around a span's words are no words.
      fc.pre(given.trim() !== "");
      expect(skeleton(given)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
