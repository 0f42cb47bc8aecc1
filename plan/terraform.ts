import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { missingTerraform, terraformBinary } from "../common/terraform-binary";
import { type Diagnostic, readOutputLine, sayError } from "../deployment/diagnostics";

/** What a user can mend: told in one line. */
export class PlanError extends Error {
  override readonly name = "PlanError";
  /** All that was said, where the one line may not be enough. */
  readonly output: string | undefined;

  constructor(message: string, { output, ...options }: ErrorOptions & { readonly output?: string } = {}) {
    super(message, options);
    this.output = output;
  }
}

export interface TerraformOptions {
  /** Where the stack's cdk.tf.json is. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
}

/**
 * Runs Terraform, which asks nothing.
 *
 * @param codes the exit codes that are no failure
 * @throws PlanError that says what to do
 */
export async function terraform(
  args: readonly string[],
  { folder, environment }: TerraformOptions,
  codes: readonly number[] = [0],
): Promise<Ran> {
  const binary = terraformBinary(environment);
  const { child, wasAsked } = passSignals(() =>
    spawn(binary, args, {
      cwd: folder,
      env: { ...environment, TF_IN_AUTOMATION: "1", TF_INPUT: "0", CHECKPOINT_DISABLE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  const closed = once(child, "close");
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw new PlanError(missingTerraform(binary), { cause: error });
    },
  );
  if (wasAsked()) throw new PlanError("Interrupted.");
  // Who was killed has no code.
  if (typeof code === "number" && codes.includes(code)) return { code, stdout };
  const said = stripVTControlCharacters(`${stderr}\n${textOfOutput(stdout)}`);
  throw explain(said, `${binary} ${args[0]}`);
}

/** The errors and warnings in the output of `terraform plan -json`. */
export const diagnosticsOf = (stdout: string): Diagnostic[] =>
  stdout.split("\n").flatMap((line) => readOutputLine(line)?.diagnostic ?? []);

/** Output for people: of lines of JSON, the errors alone. */
const textOfOutput = (stdout: string): string =>
  stdout
    .split("\n")
    .flatMap((raw) => {
      const line = readOutputLine(raw);
      if (line === undefined) return [raw];
      return line.diagnostic?.severity === "error" ? [`${sayError(line.diagnostic)}\n`] : [];
    })
    .join("\n");

/**
 * Lets a child end in its own way when this process is asked to end: Terraform gives its lock back, and what is temporary
 * is deleted. A terminal tells the child of Ctrl-C by itself.
 *
 * @param start starts the child; signals are passed on from before that
 * @returns the child, and whether this process was asked to end
 */
export function passSignals<T extends ChildProcess>(start: () => T): { child: T; wasAsked: () => boolean } {
  let asked = false;
  let child: T | undefined;
  const onInterrupt = () => {
    asked = true;
  };
  const onTerminate = () => {
    asked = true;
    child?.kill("SIGTERM");
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
  child = start();
  child.once("close", () => process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate));
  return { child, wasAsked: () => asked };
}

/** What Terraform, its backend or its provider say, unwrapped, and what to do about it. */
const EXPLANATIONS: readonly (readonly [pattern: RegExp, sentence: (found: RegExpExecArray) => string])[] = [
  [
    /No valid credential sources found|failed to refresh cached credentials|Unable to locate credentials/i,
    () => "There are no AWS credentials: sign in (aws sso login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID.",
  ],
  [
    /ExpiredToken|RequestExpired|InvalidClientTokenId|security token included in the request is (?:invalid|expired)|SignatureDoesNotMatch/,
    ([code]) => `AWS refuses the credentials (${code}): sign in again.`,
  ],
  [
    /AWS account ID not allowed: (\d+)/,
    ([, account]) =>
      `The credentials are those of account ${account}, and the stage's accountId in main.ts is another: use the other, or change main.ts.`,
  ],
  [
    /S3 bucket "([^"]+)" does not exist|NoSuchBucket/,
    ([, bucket]) =>
      `The bucket of Terraform's state${bucket === undefined ? "" : `, ${bucket},`} does not exist: npm run bootstrap makes it, for main.ts's account and region.`,
  ],
  [
    /Error acquiring the state lock[^]*?Who:\s+(\S+)/,
    ([, who]) => `${who} is changing the state just now: wait for it to end, or plan with --no-lock.`,
  ],
  [
    /is not authorized to perform: ([\w-]+:\w+)/,
    ([, action]) => `The credentials may not ${action}: use those of tweedle-plan, or of an administrator.`,
  ],
  [
    /AccessDenied|Access Denied/,
    () => "AWS denies the credentials access: use those of tweedle-plan, or of an administrator.",
  ],
  [
    /dial tcp:? (?:lookup )?([^\s:]+(?::\d+)?)?[^\n]*?(connection refused|no such host|i\/o timeout|network is unreachable)/,
    ([, host, what]) =>
      `${host ?? "AWS"} cannot be reached (${what}): look at the network, the region and AWS_ENDPOINT_URL.`,
  ],
];

/** A provider's error may go on and on, and this is for one line. */
const LONGEST_ERROR = 300;

function explain(said: string, command: string): PlanError {
  // Terraform frames what it says, and breaks its lines.
  const plain = said.replace(/^[│╷╵] ?/gm, "");
  const flowing = plain.replace(/\s+/g, " ").trim();
  for (const [pattern, sentence] of EXPLANATIONS) {
    const found = pattern.exec(plain) ?? pattern.exec(flowing);
    if (found) return new PlanError(sentence(found), { cause: new Error(said) });
  }
  // init says of all errors first that there are some.
  const errors = [...plain.matchAll(/^Error: (?!Terraform encountered problems)(.+)$/gm)].map(
    ([, summary]) => summary ?? "",
  );
  const first = (errors[0] ?? (flowing.slice(-LONGEST_ERROR) || "it said nothing")).slice(0, LONGEST_ERROR);
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new PlanError(`${command} failed: ${first}${more}`, { output: said });
}
