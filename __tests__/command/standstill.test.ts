import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildCommand } from "../../client/build";
import { temporaryFolder } from "../local/tools";
import { run } from "./tools";

const folder = temporaryFolder();
const command = join(folder, "tweedle.js");
beforeAll(() => buildCommand(command));

/** Connections that take requests and give no response, and for which no process waits. */
const LOST = `
import http from "node:http";
import { Duplex } from "node:stream";
class Lost extends Duplex {
  _read() {}
  _write(chunk, encoding, done) { done(); }
}
for (const name of ["setKeepAlive", "setNoDelay", "setTimeout", "ref", "unref"]) {
  Lost.prototype[name] = function () { return this; };
}
http.Agent.prototype.createConnection = () => new Lost();
`;

test.each([["produce", "file.txt"], ["consume", "--exec", "cat"], ["dlq", "list"], ["reconcile"]])(
  "%s fails with a sentence where nothing is left that it could wait for",
  async (...args) => {
    writeFileSync(join(folder, "file.txt"), "x");
    const lost = "http://127.0.0.1:9";
    const env = {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(LOST)}`,
      TWEEDLE_API_URL: lost,
      TWEEDLE_QUEUE_URL: `${lost}/1/queue`,
      TWEEDLE_DEAD_LETTER_QUEUE_URL: `${lost}/1/dead-letter-queue`,
      TWEEDLE_BUCKET_NAME: "bucket",
      AWS_ENDPOINT_URL_S3: lost,
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "x",
      AWS_SECRET_ACCESS_KEY: "x",
    };
    const { code, stdout, stderr } = await run(process.execPath, [command, ...args], { cwd: folder, env })
      .ended;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^tweedle: It came to a standstill before all was done: [^\n]+\.\n$/);
  },
);
