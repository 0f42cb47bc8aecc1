import { labelOf, readRendering } from "../../plan/rendering";

const TEXT = `aws_x.a: Refreshing state... [id=a]

Note: Objects have changed outside of Terraform

  # aws_x.a has changed
  ~ resource "aws_x" "a" {
    }

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

Plan: 0 to add, 1 to change, 1 to destroy.

Changes to Outputs:
  + url = <<-EOT
        a

        Plan: b
    EOT

─────────────────────────

Saved the plan to: /tmp/plan
`;

const labels = ['aws_x.a["b c"]', "aws_x.gone", "aws_x.moved", "aws_x.gone (deposed object 1a2b3c4d)"];
const { resources, outputs } = readRendering(TEXT, labels);

test("each resource has its own text, whatever stands in a value, and nothing of what is read or was changed outside", () => {
  expect([...resources.keys()]).toEqual([
    'aws_x.a["b c"]',
    "aws_x.gone (deposed object 1a2b3c4d)",
    "aws_x.moved",
  ]);
  expect(resources.get('aws_x.a["b c"]')).toMatch(/^ {2}# aws_x\.a\["b c"\] will be updated in-place\n/);
  expect(resources.get('aws_x.a["b c"]')).toMatch(/aws_x\.gone will be destroyed\n {8}EOT\n {4}\}$/);
  expect(resources.get("aws_x.moved")).toBe(
    '  # aws_x.gone has moved to aws_x.moved\n    resource "aws_x" "moved" {\n    }',
  );
});

test("outputs have theirs, without what follows", () => {
  expect(outputs).toBe("  + url = <<-EOT\n        a\n\n        Plan: b\n    EOT");
});

test("OpenTofu's text is read as well", () => {
  const tofu = TEXT.replace("Terraform will perform", "OpenTofu will perform");
  expect(readRendering(tofu, labels)).toEqual({ resources, outputs });
});

test("a deposed object has a name of its own", () => {
  expect(labelOf({ address: "aws_x.y", deposed: "1a2b3c4d" })).toBe("aws_x.y (deposed object 1a2b3c4d)");
  expect(labelOf({ address: "aws_x.y" })).toBe("aws_x.y");
});
