import { readNames } from "../../plan/names";
import { labelOf, readRendering } from "../../plan/rendering";

/** A resource of the plan's JSON, by its label and what is done to it. */
function resource(label: string, actions: string, more: object = {}) {
  const [, address = "", deposed] = /^(.*?)(?: \(deposed object (\w+)\))?$/.exec(label) ?? [];
  const [, data, type, name] = /^(data\.)?(\w+)\.(\w+)/.exec(address) ?? [];
  return {
    address,
    mode: data === undefined ? "managed" : "data",
    type,
    name,
    ...(deposed !== undefined && { deposed }),
    ...more,
    change: { actions: actions.split(","), ...("importing" in more && { importing: {} }) },
  };
}

const namesOf = (resources: readonly object[]) => readNames(JSON.stringify({ resource_changes: resources }));

const RESOURCES = [
  resource("data.aws_x.d", "read"),
  resource('aws_x.a["b c"]', "update", { previous_address: "aws_x.b" }),
  resource("aws_x.gone (deposed object 1a2b3c4d)", "delete"),
  resource("aws_x.moved", "no-op", { previous_address: "aws_x.gone" }),
  resource("aws_x.gone", "create"),
  resource("aws_x.replaced", "delete,create"),
];

const TEXT = `
Note: Objects have changed outside of Terraform

Terraform detected the following changes made outside of Terraform since the
last "terraform apply" which may have affected this plan:

  # aws_x.a has changed
  ~ resource "aws_x" "a" {
    }


Unless you have made equivalent changes to your configuration, or ignored the
relevant attributes using ignore_changes, the following plan may include
actions to undo or respond to these changes.

─────────────────────────────────────────────────────────────────────────────

Terraform used the selected providers to generate the following execution
plan. Resource actions are indicated with the following symbols:
  ~ update in-place
  - destroy
-/+ destroy and then create replacement
 <= read (data resources)

Terraform will perform the following actions:

  # data.aws_x.d will be read during apply
  # (config refers to values not yet known)
 <= data "aws_x" "d" {
    }

  # aws_x.a["b c"] will be updated in-place
  # (moved from aws_x.b)
  ~ resource "aws_x" "a" {
      ~ text = <<-EOT
            - one
            + two

              # aws_x.gone will be destroyed
        EOT
    }

  # aws_x.gone (deposed object 1a2b3c4d) will be destroyed
  # (left over from a partially-failed replacement of this instance)
  - resource "aws_x" "gone" {
    }

  # aws_x.gone has moved to aws_x.moved
    resource "aws_x" "moved" {
    }

  # aws_x.gone will be created
  + resource "aws_x" "gone" {
    }

  # aws_x.replaced must be replaced
-/+ resource "aws_x" "replaced" {
    }

Plan: 2 to add, 1 to change, 2 to destroy.

Changes to Outputs:
  + url = <<-EOT
        a

        Plan: b
    EOT
`;

const { resources, outputs } = readRendering(TEXT, namesOf(RESOURCES));

test("each change has its own text, whatever stands in a value, and nothing of what others have changed", () => {
  expect([...resources.keys()]).toEqual([
    "data.aws_x.d",
    'aws_x.a["b c"]',
    "aws_x.gone (deposed object 1a2b3c4d)",
    "aws_x.moved",
    "aws_x.gone",
    "aws_x.replaced",
  ]);
  expect(resources.get('aws_x.a["b c"]')).toMatch(/^ {2}# aws_x\.a\["b c"\] will be updated in-place\n/);
  expect(resources.get('aws_x.a["b c"]')).toMatch(/aws_x\.gone will be destroyed\n {8}EOT\n {4}\}$/);
  expect(resources.get("aws_x.moved")).toBe(
    '  # aws_x.gone has moved to aws_x.moved\n    resource "aws_x" "moved" {\n    }',
  );
});

test("each line of what is done is in one text", () => {
  const [, actions = ""] = /following actions:\n\n([^]*)\nPlan: 2/.exec(TEXT) ?? [];
  expect(`${[...resources.values()].join("\n\n")}\n`).toBe(actions);
});

test("outputs have theirs", () => {
  expect(outputs).toBe("  + url = <<-EOT\n        a\n\n        Plan: b\n    EOT");
});

test("outputs alone, with what follows them, are read as well", () => {
  const alone = `
Changes to Outputs:
  + url = "a"

You can apply this plan to save these new output values to the Terraform
state, without changing any real infrastructure.
`;
  expect(readRendering(alone, namesOf([]))).toEqual({ resources: new Map(), outputs: '  + url = "a"' });
});

test("a plan that does nothing has no text", () => {
  const nothing = "\nNo changes. Your infrastructure matches the configuration.\n\nTerraform has compared\n";
  expect(readRendering(nothing, namesOf([]))).toEqual({ resources: new Map(), outputs: "" });
});

test("a deposed object has a name of its own", () => {
  expect(labelOf({ address: "aws_x.y", deposed: "1a2b3c4d" })).toBe("aws_x.y (deposed object 1a2b3c4d)");
  expect(labelOf({ address: "aws_x.y" })).toBe("aws_x.y");
});

/** What Terraform's and OpenTofu's renderers print above and below a block; __tests__/plan/forms.test.ts has real ones. */
const FORMS: readonly (readonly [form: string, resource: object, text: string])[] = [
  [
    "an import with a replacement",
    resource("aws_x.y", "delete,create", { importing: {} }),
    `  # aws_x.y must be replaced
  # (moved from aws_x.z)
  # (imported from "a")
  # Warning: this will destroy the imported resource
-/+ resource "aws_x" "y" {
      ~ name = "a" -> "b" # forces replacement
    }`,
  ],
  [
    "an import of a resource without configuration",
    resource("aws_x.y", "no-op", { importing: {} }),
    `  # aws_x.y will be imported
  # (config will be generated)
    resource "aws_x" "y" {
        name = "a"
    }`,
  ],
  [
    "a replacement that creates first",
    resource("aws_x.y", "create,delete"),
    `  # aws_x.y is tainted, so must be replaced
+/- resource "aws_x" "y" {
    }`,
  ],
  [
    "a removed block, indented by one column",
    resource("aws_x.y", "forget"),
    ` # aws_x.y will no longer be managed by Terraform, but will not be destroyed
 # (destroy = false is set in the configuration)
 . resource "aws_x" "y" {
        name = "a"
    }`,
  ],
  [
    "actions of Terraform 1.14, before and after the change",
    resource("aws_x.y", "create"),
    `  # aws_x.y will be created
  + resource "aws_x" "y" {
      + name = "a"
    }

    # Actions to be invoked before this change in order:
    # action.aws_lambda_invoke.warm
    action "aws_lambda_invoke" "warm" {
        config {
            function_name = "f"
        }
    }

    # Actions to be invoked after this change in order:
    # action.aws_lambda_invoke.warm
    action "aws_lambda_invoke" "warm" {
    }`,
  ],
  [
    "OpenTofu's enabled = false",
    resource("aws_x.y", "delete", { action_reason: "delete_because_enabled_false" }),
    `  # aws_x.y will be destroyed
  # (because enabled is false)
  - resource "aws_x" "y" {
      - name = "a" -> null
    }`,
  ],
  [
    "OpenTofu's destroy = false, whose reason has no hash",
    resource("aws_x.y", "forget", { action_reason: "forgot_because_lifecycle_destroy_in_state" }),
    `  # aws_x.y will be removed from the OpenTofu state but will not be destroyed \n (because lifecycle.destroy = false was configured before this resource was removed from the configuration)
  . resource "aws_x" "y" {
    name = "a"
    text = <<-EOT
        Plan: b
    EOT
}`,
  ],
  [
    "OpenTofu's import by identity",
    resource("aws_x.y", "no-op", { importing: {} }),
    `  # aws_x.y will be imported
  # imported using resource identity: {
  #   "name": "a"
  # }
    resource "aws_x" "y" {
        name = "a"
    }`,
  ],
];

const framed = (text: string, program = "Terraform") =>
  `\n${program} will perform the following actions:\n\n${text}\n\nPlan: 0 to add, 0 to change, 0 to destroy.\n`;

test.each(FORMS)("the text of %s is read whole", (_, one, text) => {
  const program = text.includes("OpenTofu") ? "OpenTofu" : "Terraform";
  expect([...readRendering(framed(text, program), namesOf([one])).resources.values()]).toEqual([text]);
});

const CREATED = '  # aws_x.y will be created\n  + resource "aws_x" "y" {\n      + a = 1\n    }';

test.each<[string, string, string]>([
  ["without its heading", CREATED.replace(/^.*\n/, ""), '  + resource \\"aws_x\\" \\"y\\" {'],
  ["without the line that names its block", CREATED.replace(/\n.*\{/, ""), "      + a = 1"],
  ["with the line of another block", CREATED.replace('"y"', '"z"'), '  + resource \\"aws_x\\" \\"z\\" {'],
  ["with another mode's", CREATED.replace("resource", "data"), '  + data \\"aws_x\\" \\"y\\" {'],
  [
    "with a heading of a change that the JSON does not have",
    `${CREATED}\n\n  # aws_x.z will be`,
    "  # aws_x.z",
  ],
  ["twice", `${CREATED}\n\n${CREATED}`, "  # aws_x.y will be created"],
  ["with a line that is indented by three columns", `${CREATED}\n   x`, "   x"],
  [
    "with lines after the plan's summary",
    `${CREATED}\n\nPlan: 1 to add.\n\n  # aws_x.z will be`,
    "  # aws_x.z",
  ],
])("a change %s is refused, in one line that has the text", (_, text, says) => {
  const names = namesOf([resource("aws_x.y", "create")]);
  expect(() => readRendering(framed(text), names)).toThrow(
    `The review does not understand a line of Terraform's plan: "${says}`,
  );
});

test.each([
  ["no text", ""],
  ["a heading alone", framed("  # aws_x.y will be created")],
  ["text among what others have changed alone", CREATED],
])("a change with %s is refused", (_, text) => {
  expect(() => readRendering(text, namesOf([resource("aws_x.y", "create")]))).toThrow(
    "Terraform's text of the plan has no block of aws_x.y.",
  );
});
