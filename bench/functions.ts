import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFolderSync } from "../common/create-folder";
import { usualBundle } from "./bundle";
import type { Call } from "./call";

/** What a signer is asked. */
export const SIGNER_EVENT = {
  httpMethod: "POST",
  resource: "/putObject",
  headers: {},
  body: '{"object_key":"cat.jpg"}',
  isBase64Encoded: false,
};

/** All that a measured process knows: nothing of this machine changes what it does. */
export const ENVIRONMENT = {
  BUCKET_NAME: "bench-content",
  ROLES: "producer,consumer",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  // As the token of a function's role: base64, some 900 characters, all of them in every URL.
  AWS_SESSION_TOKEN: createHash("shake256", { outputLength: 660 }).update("token").digest("base64"),
  // Lambda's Node is newer than ours may be: there the usual signer has nothing to warn of.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
};

/**
 * Makes functions ready to be measured.
 *
 * @param folder where their bundles go
 * @returns calls one of them in a fresh process: once, and then again for so many times and milliseconds
 */
export function functionsIn(
  folder: string,
  functions: readonly { readonly name: string; readonly code: string }[],
): (name: string, event: object, warmUpCalls?: number, warmMs?: number) => Call {
  createFolderSync(folder);
  for (const { name, code } of [...functions, { name: "call", code: usualBundle("call.ts") }]) {
    writeFileSync(join(folder, `${name}.js`), code);
  }
  return (name, event, warmUpCalls = 0, warmMs = 0) => {
    const files = ["call", name].map((file) => join(folder, `${file}.js`));
    const args = [...files, JSON.stringify(event), String(warmUpCalls), String(warmMs)];
    const { status, stderr } = spawnSync(process.execPath, args, {
      env: ENVIRONMENT,
      encoding: "utf8",
      // A function's log goes to stdout, and nowhere: what is measured comes by stderr.
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) throw new Error(`The function "${name}" failed: ${stderr}`);
    return JSON.parse(stderr) as Call;
  };
}
