import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOTSTRAP, BOOTSTRAP_STACK } from "../../bootstrap";
import { bootstrap } from "../../deployment/run-bootstrap";
import { parseState, readStateFile } from "../../deployment/state";
import { temporaryFolder } from "../local/tools";

const folder = temporaryFolder();
const resource = { type: "aws_s3_bucket", name: "b", instances: [{ attributes: { id: "x" } }] };
const state = (given: object = {}) =>
  JSON.stringify({ version: 4, serial: 1, resources: [resource], ...given });
/** As OpenTofu 1.12 writes it. */
const ENCRYPTED = JSON.stringify({
  serial: 1,
  lineage: "8cc206ec-6449-278c-52bb-28421df4bd73",
  meta: { "key_provider.pbkdf2.k": "eyJzYWx0Ijoi" },
  encrypted_data: "x0MhvG1sz2a4",
  encryption_version: "v0",
});

test("a state has its resources", () => {
  expect(parseState(state(), "It", "Stop.")).toEqual({ resources: [resource] });
});

test.each(["", "\n", state({ resources: [] })])("%j is a state of nothing", (text) => {
  expect(parseState(text, "It", "Stop.")).toBeUndefined();
});

test.each<[string, string, string]>([
  ["encrypted", ENCRYPTED, "it is encrypted by OpenTofu"],
  ["of an old format", state({ version: 3 }), "its format is 3, not 4"],
  ["without a format", "{}", "its format is undefined, not 4"],
  ["without resources", state({ resources: undefined }), "its resources are not as Terraform writes them"],
  ["with resources by name", state({ resources: {} }), "its resources are not as Terraform writes them"],
  ["with an empty resource", state({ resources: [{}] }), "its resources are not as Terraform writes them"],
  [
    "with an instance of another form",
    state({ resources: [{ ...resource, instances: [{ attributes_flat: {} }] }] }),
    "its resources are not as Terraform writes them",
  ],
  ["a list", "[]", 'it is "[]"'],
  ["null", "null", 'it is "null"'],
  ["a warning before the JSON", "\nWarning: x\n{}", 'it is "Warning: x\\n{}"'],
])("a state that is %s cannot be read, which one line says", (_, text, why) => {
  expect(() => parseState(text, "The state in the bucket", "Look at it.")).toThrow(
    `The state in the bucket cannot be read, since ${why}. Look at it.`,
  );
});

test("a file that cannot be read is told in one line, and one that is not there is a state of nothing", () => {
  expect(() => readStateFile(folder)).toThrow(`The state in ${folder} cannot be read: EISDIR.`);
  expect(readStateFile(join(folder, "none"))).toBeUndefined();
});

describe("npm run bootstrap with OpenTofu", () => {
  const variables = { ...process.env };
  afterEach(() => {
    process.env = { ...variables };
  });

  /** A program in OpenTofu's place. */
  function program(name: string, script: string): void {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env["TERRAFORM_BINARY_NAME"] = path;
  }
  const run = (outdir: string) =>
    bootstrap({
      config: BOOTSTRAP,
      outdir,
      dryRun: false,
      confirm: () => Promise.resolve(true),
      say: () => {},
    });

  test("does not begin with a state file that it could not read afterwards", async () => {
    program("no-bucket", "echo 'Error: S3 bucket \"x\" does not exist' >&2; exit 1");
    process.env["TF_ENCRYPTION"] = "state {}";
    await expect(run(join(folder, "first"))).rejects.toMatchObject({
      name: "DeploymentError",
      message: expect.stringMatching(/^TF_ENCRYPTION encrypts the state, [^\n]*: unset it for the first run/),
    });
  });

  test("says what to do with an encrypted state file", async () => {
    const stack = join(folder, "second/stacks", BOOTSTRAP_STACK);
    mkdirSync(stack, { recursive: true });
    writeFileSync(join(stack, "bootstrap.tfstate"), ENCRYPTED);
    program("bucket", "exit 0");
    await expect(run(join(folder, "second"))).rejects.toMatchObject({
      name: "DeploymentError",
      message: `The state in ${join(stack, "bootstrap.tfstate")} cannot be read, since it is encrypted by OpenTofu. Move it away and run again, without TF_ENCRYPTION: what exists is taken into a new state.`,
    });
  });
});
