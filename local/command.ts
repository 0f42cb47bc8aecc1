import { resolve } from "node:path";
import { createFolderSync } from "../common/create-folder";
import { failOnLostOutput } from "../common/output";
import { ProgressLine, progressText } from "../client/cli/terminal";
import { TweedleError } from "../client/errors";
import { DeploymentError } from "../deployment/errors";
import { STAGES, createApp } from "../main";
import { ConfigurationError, stackName } from "../stacks/stage";
import { formatTime } from "../stacks/format";
import { type Chain, PORTS, start } from "./chain";
import type { Reporter } from "./deliver";
import { StartError } from "./server";

/** A mistake in the options. */
export class OptionError extends StartError {}

/** What the chain may be started with from the shell. */
export interface ChainFlags {
  readonly stage: string;
  /** The API's port; S3 and SQS have the two after it. 0 for any. */
  readonly port: number;
  readonly data: string | undefined;
}

export const CHAIN_OPTIONS = {
  stage: { type: "string", default: "dev" },
  port: { type: "string", default: String(PORTS.api) },
  data: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

export const chainHelp = (defaultPort: number) => `\
  --stage STAGE   the stage to run: ${STAGES.map(({ stage }) => stage).join(", ")}; default dev
  --port PORT     the API's port; S3 and SQS have the two after it; 0 for any; default ${defaultPort}
  --data DIR      keep payloads and messages in this folder, so that they survive a restart; default a temporary folder
  --help          show this`;

/**
 * @throws OptionError that says what to change
 */
export function chainFlags(values: { stage: string; port: string; data?: string | undefined }): ChainFlags {
  const stages = STAGES.map(({ stage }) => stage);
  if (!stages.includes(values.stage)) {
    throw new OptionError(`There is no stage "${values.stage}". Stages: ${stages.join(", ")}.`);
  }
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_533) {
    throw new OptionError(`--port must be a number from 0 to 65533, not "${values.port}".`);
  }
  return { stage: values.stage, port, data: values.data };
}

/** Synthesizes the stages and starts the chain of one. */
export async function startChain({ stage, port, data }: ChainFlags, reporter?: Reporter): Promise<Chain> {
  if (data !== undefined) ensureFolder(data);
  const begun = performance.now();
  const app = createApp();
  app.synth();
  const synthesized = performance.now();
  const chain = await start({
    stack: resolve(app.outdir, "stacks", stackName(stage)),
    ports: { api: port, s3: port && port + 1, sqs: port && port + 2 },
    ...(data !== undefined && { dataDirectory: resolve(data) }),
  });
  const times = [synthesized - begun, performance.now() - synthesized].map(formatTime);
  reporter?.line(`${chain.stack.name}: synthesized in ${times[0]}, started on this machine in ${times[1]}.`);
  return chain;
}

function ensureFolder(path: string): void {
  try {
    createFolderSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`--data ${path} must be a folder that may be written: ${code}.`, { cause: error });
  }
}

/** Lines on stdout, and on a terminal the progress of what takes over a second. */
export function terminalReporter(): Reporter {
  const progress = new ProgressLine();
  let shown = "";
  let begunAt = 0;
  return {
    line: (text) => {
      progress.clear();
      process.stdout.write(`${text}\n`);
    },
    progress: (what, report) => {
      if (what !== shown) [shown, begunAt] = [what, performance.now()];
      progress.show((elapsed) => `     ${progressText(what, report, elapsed)}`, begunAt);
    },
  };
}

/** Runs a command: a user's mistake ends it with one line, ours with its stack; one in the options with 2, all others with 1. */
export async function run(command: () => Promise<void>): Promise<void> {
  // The SDK tells every user of Node 20 when its support ends; that is for us to act on.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  failOnLostOutput(console.error);
  try {
    await command();
  } catch (error) {
    const mistake = [StartError, ConfigurationError, TweedleError, DeploymentError].some(
      (kind) => error instanceof kind,
    );
    const parsing =
      error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    console.error(mistake || parsing ? (error as Error).message : error);
    process.exitCode = parsing || error instanceof OptionError ? 2 : 1;
  }
}

/** Resolves when somebody asks the process to end: Ctrl-C, a service manager, or a reader that has seen enough. */
export function interrupted(): Promise<void> {
  return new Promise((end) => {
    process.stdout.on("error", () => end());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end());
  });
}

/**
 * Does some work, unless the process is asked to end before that is done.
 *
 * @param work gets a signal that ends its requests: they would be retried for minutes
 * @throws StartError where the process is asked to end
 */
export async function unlessInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  asked: Promise<void>,
): Promise<T> {
  const controller = new AbortController();
  const ended = asked.then(() => {
    controller.abort();
    throw new StartError("Interrupted.");
  });
  return await Promise.race([work(controller.signal), ended]);
}
