import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { run } from "../local/command";
import { PROVIDER_LOCK, ROOT_LOCK } from "../stacks/provider-lock";
import { PROVIDER } from "../stacks/terraform";
import { DeploymentError } from "./errors";
import { Terraform, TerraformError } from "./terraform";

/** Where stages are deployed from: GitHub's runners, others' and our own machines. */
const PLATFORMS = ["linux_amd64", "linux_arm64", "darwin_arm64"];

const HELP = `Usage: npm run lock -- [options]

Chooses the newest AWS provider that the stacks allow (${PROVIDER.version}), and writes its version and digests into
${PROVIDER_LOCK}: commit it. A synth copies it to every stack, where Terraform takes that provider and no other.

  --platform P      a platform that it is for; may be repeated; default ${PLATFORMS.join(", ")}
  --fs-mirror DIR   take the provider from this mirror's folder, and not from the registry
  --out FILE        the file to write; default ${PROVIDER_LOCK} here
  --help            show this`;

void run(async () => {
  const { values } = parseArgs({
    options: {
      platform: { type: "string", multiple: true, default: PLATFORMS },
      "fs-mirror": { type: "string" },
      out: { type: "string", default: ROOT_LOCK },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  // Of its own: an older lock would hold the version.
  const folder = mkdtempSync(join(tmpdir(), "tweedle-lock-"));
  try {
    const stack = { terraform: { required_providers: { aws: PROVIDER } } };
    writeFileSync(join(folder, "providers.tf.json"), JSON.stringify(stack));
    const mirror = values["fs-mirror"] === undefined ? undefined : resolve(values["fs-mirror"]);
    await new Terraform({ folder }).lockProviders(values.platform, mirror);
    const lock = readFileSync(join(folder, PROVIDER_LOCK), "utf8");
    copyFileSync(join(folder, PROVIDER_LOCK), values.out);
    const [, version] = /version += "([^"]+)"/.exec(lock) ?? [];
    console.log(`${values.out}: ${PROVIDER.source} ${version} for ${values.platform.join(", ")}.`);
  } catch (error) {
    if (!(error instanceof TerraformError)) throw error;
    throw new DeploymentError(`${error.output}\nThe lock is as it was.`, { cause: error });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
