import { mkdirSync, writeFileSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { differences } from "../../plan/compare";
import { makeReview } from "../../plan/make";
import { toMarkdown } from "../../plan/markdown";
import { digestOf, isEmpty } from "../../plan/review";
import { toTerminal } from "../../plan/terminal";
import { terraform } from "../../plan/terraform";
import { temporaryFolder } from "../local/tools";
import { describeWith } from "../terraform/describe-with";
import { readJson, writeJson } from "./tools";

/** A plan that Terraform makes with its own resources alone. */
interface Case {
  readonly name: string;
  /** What is applied before. @default nothing */
  readonly before?: string;
  /** Whether applying that fails, and leaves something behind. */
  readonly fails?: true;
  /** Whether each resource has a deposed object, too, as a failure between creation and destruction leaves one. */
  readonly deposed?: true;
  /** What is planned; the word VALUE is in a change's body. */
  readonly after: string;
  /** The changes, gravest first: action, address, and what else is said of them. */
  readonly changes: readonly (readonly [action: string, address: string, more?: object])[];
  /** Parts of the changes' texts. */
  readonly says?: readonly string[];
}

const TIMEOUT = 120_000;

/** A block of Terraform's language. */
const block = (head: string, ...lines: string[]) => `${[`${head} {`, ...lines].join("\n")}\n}\n`;
const data = (name: string, ...lines: string[]) => block(`resource "terraform_data" "${name}"`, ...lines);
const importing = (name: string, id = "i") => block("import", `to = terraform_data.${name}`, `id = "${id}"`);
const moving = (from: string, to: string) =>
  block("moved", `from = terraform_data.${from}`, `to = terraform_data.${to}`);
const removing = (name: string, destroy: boolean) =>
  block("removed", `from = terraform_data.${name}`, block("lifecycle", `destroy = ${destroy}`));
const INPUT = 'input = "VALUE"';
const FAILS = block('provisioner "local-exec"', 'command = "exit 1"');
const CREATE_FIRST = block("lifecycle", "create_before_destroy = true");
const remoteState = (name: string, ...lines: string[]) =>
  block(`data "terraform_remote_state" "${name}"`, 'backend = "local"', ...lines);

/** Lines of a value that look like others of Terraform's. */
const TRICKS = `input = <<EOT
  # terraform_data.other will be destroyed
 # terraform_data.other will no longer be managed by Terraform
-/+ resource "terraform_data" "other" {

    }

Plan: 0 to add, 0 to change, 1 to destroy.

Changes to Outputs:
  + fake = "fake"

Terraform will perform the following actions:
VALUE
EOT`;

const CASES: readonly Case[] = [
  {
    name: "an import",
    after: data("a") + importing("a", "VALUE"),
    changes: [["import", "terraform_data.a", { imported: true }]],
    says: ["  # terraform_data.a will be imported"],
  },
  {
    name: "an import with an update",
    after: data("a", INPUT) + importing("a"),
    changes: [["update", "terraform_data.a", { imported: true, attributes: ["input", "output"] }]],
    says: ['  # (imported from "i")'],
  },
  {
    name: "an import with a replacement",
    after: data("a", 'triggers_replace = "t"', INPUT) + importing("a"),
    changes: [["replace", "terraform_data.a", { imported: true, forcedBy: ["triggers_replace"] }]],
    says: ["  # Warning: this will destroy the imported resource", '= "VALUE"'],
  },
  {
    name: "an import whose id looks like another change",
    after: data("a", INPUT) + data("b") + importing("a", 'i\\")\\n  # terraform_data.b will be created'),
    changes: [
      ["update", "terraform_data.a", { imported: true }],
      ["create", "terraform_data.b"],
    ],
  },
  {
    name: "a removed block that forgets, and one that destroys",
    before: ["a", "b", "c"].map((name) => data(name)).join(""),
    after: removing("a", false) + removing("b", true) + data("c", INPUT),
    changes: [
      ["destroy", "terraform_data.b"],
      ["forget", "terraform_data.a"],
      ["update", "terraform_data.c"],
    ],
    says: [" # terraform_data.a will no longer be managed by Terraform, but will not be destroyed"],
  },
  {
    name: "a move, and one with an update into a map",
    before: data("a") + data("b"),
    after:
      data("c") +
      moving("a", "c") +
      data("d", 'for_each = { "k 1\\n\\"2\\"" = "VALUE" }', "input = each.value") +
      moving("b", 'd["k 1\\n\\"2\\""]'),
    changes: [
      ["update", 'terraform_data.d["k 1\\n\\"2\\""]', { movedFrom: "terraform_data.b" }],
      ["move", "terraform_data.c", { movedFrom: "terraform_data.a" }],
    ],
    says: ["  # (moved from terraform_data.b)", "  # terraform_data.a has moved to terraform_data.c"],
  },
  {
    name: "a tainted resource",
    before: data("a", FAILS),
    fails: true,
    after: data("a", INPUT),
    changes: [["replace", "terraform_data.a", { reason: "replace_because_tainted" }]],
  },
  {
    name: "objects that failed replacements have left",
    before: data("a", CREATE_FIRST, 'triggers_replace = "1"') + data("b"),
    deposed: true,
    after: data("a", CREATE_FIRST, 'triggers_replace = "VALUE"') + removing("b", false),
    changes: [
      ["destroy", "terraform_data.a", { deposed: "1a2b3c4d" }],
      ["replace", "terraform_data.a", { createFirst: true, forcedBy: ["triggers_replace"] }],
      ["forget", "terraform_data.b"],
      ["forget", "terraform_data.b", { deposed: "1a2b3c4d" }],
    ],
    says: [
      "  # terraform_data.a (deposed object 1a2b3c4d) will be destroyed",
      "  # (left over from a partially-failed replacement of this instance)",
      " # terraform_data.b (deposed object 1a2b3c4d) will be removed from Terraform state, but will not be destroyed",
    ],
  },
  {
    name: "a replacement that another one triggers",
    before: data("a", 'input = "1"') + data("b"),
    after: data("a", INPUT) + data("b", block("lifecycle", "replace_triggered_by = [terraform_data.a]")),
    changes: [
      ["replace", "terraform_data.b", { reason: "replace_by_triggers" }],
      ["update", "terraform_data.a"],
    ],
    says: ["due to changes in replace_triggered_by"],
  },
  {
    name: "destructions of each reason",
    before:
      data("count", "count = 2") +
      data("each", 'for_each = toset(["a b", "c"])') +
      data("list", "count = 1") +
      data("map", 'for_each = toset(["a"])') +
      data("single") +
      data("gone", 'input = "x"') +
      data("moved") +
      block('module "m"', 'source = "./m"'),
    after:
      data("count", "count = 1") +
      data("each", 'for_each = toset(["c", "VALUE"])') +
      data("list", 'for_each = toset(["a"])') +
      data("map") +
      data("single", 'for_each = toset(["a"])') +
      moving("moved", "nowhere"),
    changes: [
      ["destroy", "module.m.terraform_data.a", { reason: "delete_because_no_resource_config" }],
      ["destroy", "terraform_data.count[1]", { reason: "delete_because_count_index" }],
      ["destroy", 'terraform_data.each["a b"]', { reason: "delete_because_each_key" }],
      ["destroy", "terraform_data.gone", { reason: "delete_because_no_resource_config" }],
      ["destroy", "terraform_data.list[0]", { reason: "delete_because_wrong_repetition" }],
      ["destroy", 'terraform_data.map["a"]', { reason: "delete_because_wrong_repetition" }],
      ["destroy", "terraform_data.nowhere", { reason: "delete_because_no_move_target" }],
      ["destroy", "terraform_data.single", { reason: "delete_because_wrong_repetition" }],
      ["create", 'terraform_data.each["VALUE"]'],
      ["create", 'terraform_data.list["a"]'],
      ["create", "terraform_data.map"],
      ["create", 'terraform_data.single["a"]'],
    ],
    says: ["  # (because resource does not use count)", '  # (because key ["a b"] is not in for_each map)'],
  },
  {
    name: "data sources that are read during the apply",
    after:
      data("a", 'input = "x"') +
      remoteState("a", "config = { path = terraform_data.a.output }") +
      remoteState("b", 'config = { path = "x" }', 'workspace = "VALUE"', "depends_on = [terraform_data.a]"),
    changes: [
      ["create", "terraform_data.a"],
      ["read", "data.terraform_remote_state.a", { reason: "read_because_config_unknown" }],
      ["read", "data.terraform_remote_state.b", { reason: "read_because_dependency_pending" }],
    ],
    says: [
      "  # (config refers to values not yet known)",
      "  # (depends on a resource or a module with changes pending)",
    ],
  },
  {
    name: "a value whose lines look like others of Terraform's",
    before: data("other") + data("z", 'triggers_replace = "1"'),
    after: data("a", TRICKS) + data("other", INPUT) + data("z", TRICKS, 'triggers_replace = "2"'),
    changes: [
      ["replace", "terraform_data.z"],
      ["update", "terraform_data.other"],
      ["create", "terraform_data.a"],
    ],
  },
  {
    name: "a sensitive value, which the text does not have",
    before: data("a", 'input = sensitive("1")') + data("b", INPUT),
    after: data("a", 'input = sensitive("VALUE")') + data("b", 'input = sensitive("VALUE")'),
    changes: [
      ["update", "terraform_data.a"],
      ["update", "terraform_data.b"],
    ],
  },
];

describeWith(["terraform"], "a real plan", (tools) => {
  const root = temporaryFolder();
  const environment = { ...process.env, TF_CLI_CONFIG_FILE: devNull, TERRAFORM_BINARY_NAME: tools.terraform };

  /** A stack in Terraform's own language. */
  function stack(name: string, configuration: string): string {
    const folder = join(root, name.replaceAll(/\W+/g, "-"));
    mkdirSync(join(folder, "m"), { recursive: true });
    writeFileSync(join(folder, "cdk.tf.json"), "{}");
    writeFileSync(join(folder, "main.tf"), configuration);
    writeFileSync(join(folder, "m/main.tf"), data("a"));
    return folder;
  }
  const plan = (folder: string) => makeReview({ stage: "dev", folder, environment, lock: false });
  async function apply(folder: string, fails = false): Promise<void> {
    await terraform(["init", "-input=false"], { folder, environment });
    await terraform(["apply", "-auto-approve", "-no-color"], { folder, environment }, fails ? [1] : [0]);
  }

  function depose(folder: string): void {
    const path = join(folder, "terraform.tfstate");
    const state = readJson(path) as { resources: { instances: object[] }[] };
    for (const resource of state.resources)
      resource.instances.push(...resource.instances.map((one) => ({ ...one, deposed: "1a2b3c4d" })));
    writeJson(path, state);
  }

  test.each(CASES)(
    "of $name says what is done, and another one has another identity",
    async ({ name, before, fails, deposed, after, changes, says = [] }) => {
      if (before !== undefined) await apply(stack(name, before), fails);
      if (deposed) depose(stack(name, ""));
      const review = await plan(stack(name, after));
      const other = await plan(stack(name, after.replaceAll("VALUE", "OTHER")));
      expect(review.changes).toEqual(
        changes.map(([action, address, more = {}]) =>
          expect.objectContaining({ action, address, ...more, text: expect.stringMatching(/\n {4}\}$/) }),
        ),
      );
      const text = review.changes.map((change) => change.text).join("\n\n");
      for (const line of says) expect(text).toContain(line);
      expect(digestOf(other)).not.toBe(digestOf(review));
      expect(differences(review, other)).not.toEqual([]);
    },
    TIMEOUT,
  );

  test(
    "has the same identity each time",
    async () => {
      const folder = stack("again", data("a", 'input = sensitive("x")') + data("b", 'input = "x"'));
      const [first, second] = [await plan(folder), await plan(folder)];
      expect([digestOf(second), differences(first, second)]).toEqual([digestOf(first), []]);
    },
    TIMEOUT,
  );

  test(
    "warns of check blocks that fail, and is empty where it only reads for one",
    async () => {
      const check = block(
        'check "ready"',
        remoteState("own", 'config = { path = "terraform.tfstate" }'),
        block(
          "assert",
          'condition = data.terraform_remote_state.own.outputs.a == "y"',
          'error_message = "A\\nis x."',
        ),
      );
      const configuration = data("a", 'input = "x"') + block('output "a"', "value = terraform_data.a.output");
      await apply(stack("check", configuration));
      const review = await plan(stack("check", configuration + check));
      expect(isEmpty(review)).toBe(true);
      expect(review).toMatchObject({
        changes: [{ action: "read", reason: "read_because_check_nested" }],
        warnings: [{ summary: "Check block assertion failed", detail: "A\nis x." }],
      });
      expect(toTerminal(review, { colour: false, text: false })).toBe(
        [
          "dev: 1 to read, nothing to do; 1 warning",
          "   <= read     data.terraform_remote_state.own  a check block reads it",
          "    ! warning  Check block assertion failed: A is x.",
        ].join("\n"),
      );
      expect(toMarkdown([review], { title: "Plan" })[0]).toContain(
        "- **warning** `Check block assertion failed: A is x.`",
      );
    },
    TIMEOUT,
  );

  test(
    "takes ephemeral values for what they are: none of the plan's",
    async () => {
      const folder = stack(
        "ephemeral",
        block('variable "secret"', "type = string", "ephemeral = true") +
          data("a", "input = ephemeralasnull(var.secret)", 'triggers_replace = "x"'),
      );
      const of = (value: string) =>
        makeReview({
          stage: "dev",
          folder,
          environment: { ...environment, TF_VAR_secret: value },
          lock: false,
        });
      const [review, other] = [await of("hunter2"), await of("hunter3")];
      expect(review.changes).toEqual([
        expect.objectContaining({ action: "create", address: "terraform_data.a" }),
      ]);
      expect(JSON.stringify(review)).not.toContain("hunter");
      expect(digestOf(other)).toBe(digestOf(review));
    },
    TIMEOUT,
  );

  test(
    "has the text of its outputs, and another identity where a sensitive one has another value",
    async () => {
      const outputs = (secret: string) =>
        block('output "url"', 'value = "a\\n\\nPlan: b\\nc"') +
        block('output "secret"', "sensitive = true", `value = "${secret}"`);
      await apply(stack("outputs", block('output "gone"', 'value = "x"')));
      const review = await plan(stack("outputs", outputs("1")));
      expect(review.outputs.map(({ name, action }) => `${action} ${name}`)).toEqual([
        "destroy gone",
        "create secret",
        "create url",
      ]);
      expect(review.outputsText).toMatch(
        / {2}\+ secret = \(sensitive value\)\n {2}\+ url {4}= <<-EOT\n[^]* {4}EOT$/,
      );
      const other = await plan(stack("outputs", outputs("2")));
      expect(other.outputsText).toBe(review.outputsText);
      expect(differences(review, other)).toEqual(["~ the outputs are others than were reviewed"]);
    },
    TIMEOUT,
  );
});
