import { Console } from "node:console";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileFunction } from "node:vm";
import { unzipSync } from "fflate";

export interface FunctionCode {
  /** The deployment package, as it was or would be uploaded. */
  readonly zip: Uint8Array;
  /** File and export: index.handler. */
  readonly handler: string;
  /** All of process.env that the function sees. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  /** Takes what the function writes to its stdout. @default this process's stderr */
  readonly log?: (text: string) => void;
}

/** Calls a function with an event, as Lambda does. Rejects where the function throws or takes too long. */
export interface LocalFunction {
  invoke: (event: unknown) => Promise<unknown>;
  /** Removes the unpacked files. */
  stop: () => void;
}

/**
 * Loads a function from its deployment package into this process, with an environment of its own.
 *
 * @throws Error where the package lacks the handler
 */
export function loadFunction({ timeoutSeconds, ...code }: FunctionCode): LocalFunction {
  const folder = mkdtempSync(join(tmpdir(), "tweedle-function-"));
  const stop = () => rmSync(folder, { recursive: true, force: true });
  try {
    const invoke = loadHandler(folder, code);
    const timeout = () => new Error(`The function took longer than ${timeoutSeconds} s.`);
    return { invoke: (event) => withTimeout(invoke(event), timeoutSeconds * 1000, timeout()), stop };
  } catch (error) {
    stop();
    throw error;
  }
}

function loadHandler(
  folder: string,
  { zip, handler, environment, log }: Omit<FunctionCode, "timeoutSeconds">,
) {
  for (const [name, content] of Object.entries(unzipSync(zip))) writeFileSync(join(folder, name), content);
  const [file = "", name = ""] = handler.split(".");
  const filename = join(folder, `${file}.js`);
  const require = createRequire(filename);
  const source = readFileSync(filename, "utf8");
  const module: { exports: Record<string, unknown> } = { exports: {} };
  // A function's log is no output of ours: stdout may be read by a program.
  const { stderr } = globalThis.process;
  const console = new Console({ stdout: stderr, stderr });
  const parameters = {
    console,
    module,
    exports: module.exports,
    require,
    __filename: filename,
    __dirname: folder,
  };
  const stdout = { write: log ?? ((text: string) => void stderr.write(text)) };
  // Its own `process`, so that functions with different environments live in one process.
  const process = Object.create(globalThis.process, {
    env: { value: { ...environment } },
    stdout: { value: stdout },
  });
  compileFunction(source, [...Object.keys(parameters), "process"], { filename })(
    ...Object.values(parameters),
    process,
  );
  const exported = module.exports[name];
  if (typeof exported !== "function") throw new Error(`The function's package has no ${handler}.`);
  return exported as (event: unknown) => Promise<unknown>;
}

/** The result of a call, or this error where it takes longer. The call itself goes on: nothing can stop it. */
export function withTimeout<T>(call: Promise<T>, milliseconds: number, error: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error), milliseconds);
  });
  return Promise.race([call, timeout]).finally(() => clearTimeout(timer));
}
