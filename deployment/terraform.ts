import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { missingTerraform, terraformBinary } from "../common/terraform-binary";
import { type Diagnostic, readOutputLine, sayError } from "./diagnostics";
import { DeploymentError } from "./errors";
import { type State, parseState } from "./state";

/** Terraform did not do what it was asked for. */
export class TerraformError extends Error {
  override readonly name = "TerraformError";

  constructor(
    /** All that it said, in its own words. */
    readonly output: string,
    readonly diagnostics: readonly Diagnostic[],
  ) {
    super(output);
  }
}

export interface TerraformOptions {
  /** Where a stack's cdk.tf.json is. */
  readonly folder: string;
  /** Is told of the process, before it does anything. */
  readonly started?: (pid: number) => void;
  /** Is told how far it is, one line at a time. */
  readonly progress?: (line: string) => void;
}

export interface Plan {
  readonly changes: boolean;
  /** As Terraform shows it to people. */
  readonly text: string;
}

const PLAN_FILE = "bootstrap.tfplan";

/** The lines that say how far an apply is. */
const PROGRESS = new Set([
  "apply_start",
  "apply_progress",
  "apply_complete",
  "apply_errored",
  "change_summary",
]);

/**
 * Terraform, or OpenTofu (`TERRAFORM_BINARY_NAME`, as for cdktf), in one stack's folder. It never asks: what it would ask for
 * fails.
 */
export class Terraform {
  readonly #binary = terraformBinary(process.env);

  constructor(private readonly options: TerraformOptions) {}

  /** Writes the lock of the providers for these platforms, from the registry or from a mirror of it. */
  async lockProviders(platforms: readonly string[], mirror?: string): Promise<void> {
    await this.#run([
      "providers",
      "lock",
      ...(mirror === undefined ? [] : [`-fs-mirror=${mirror}`]),
      ...platforms.map((platform) => `-platform=${platform}`),
    ]);
  }

  /** Gets the providers and goes to where the state is, whatever was there before. */
  async init(): Promise<void> {
    await this.#run(["init", "-reconfigure", "-input=false", "-no-color"]);
  }

  /** Makes a plan, which {@link apply} applies. */
  async plan(colour: boolean): Promise<Plan> {
    const code = await this.#runJson(
      ["plan", "-detailed-exitcode", `-out=${PLAN_FILE}`, "-input=false"],
      [0, 2],
    );
    const text = await this.#run(["show", ...(colour ? [] : ["-no-color"]), PLAN_FILE]);
    return { changes: code === 2, text };
  }

  /**
   * Applies the last plan.
   *
   * @throws TerraformError with a diagnostic for each resource that could not be changed
   */
  async apply(): Promise<void> {
    await this.#runJson(["apply", "-input=false", PLAN_FILE], [0]);
  }

  /** Takes a resource that exists into the state. */
  async import(address: string, id: string): Promise<void> {
    await this.#run(["import", "-input=false", "-no-color", address, id]);
  }

  /** Takes a resource out of the state, and leaves it where it is. */
  async forget(address: string): Promise<void> {
    await this.#run(["state", "rm", address]);
  }

  /** @returns undefined where there is none yet, or an empty one */
  async state(): Promise<State | undefined> {
    const text = await this.#run(["state", "pull"]);
    return parseState(
      text,
      "The state in the bucket",
      `Look at what "${this.#binary} state pull" prints in ${this.options.folder}.`,
    );
  }

  /** Puts a state file where the state is. Terraform refuses to write over a newer one, or one that is another's. */
  async push(file: string): Promise<void> {
    await this.#run(["state", "push", file]);
  }

  async unlock(id: string): Promise<void> {
    await this.#run(["force-unlock", "-force", id]);
  }

  async outputs(): Promise<Record<string, unknown>> {
    const outputs = JSON.parse(await this.#run(["output", "-json"])) as Record<string, { value: unknown }>;
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
  }

  async #run(args: readonly string[]): Promise<string> {
    const lines: string[] = [];
    const { code, stderr } = await this.#spawn(args, (line) => lines.push(line));
    const stdout = lines.join("\n");
    if (code !== 0) throw new TerraformError(plain(stderr || stdout), []);
    return stdout;
  }

  async #runJson(args: readonly string[], codes: readonly number[]): Promise<number> {
    const diagnostics: Diagnostic[] = [];
    const [command = "", ...rest] = args;
    const { code, stderr } = await this.#spawn([command, "-json", ...rest], (text) => {
      const { diagnostic, type = "", "@message": message = "" } = readOutputLine(text) ?? {};
      if (diagnostic) diagnostics.push(diagnostic);
      if (PROGRESS.has(type)) this.options.progress?.(message);
    });
    if (codes.includes(code)) return code;
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    const said = [stderr, ...errors.map(sayError)].filter((one) => one !== "");
    throw new TerraformError(plain(said.join("\n\n")), errors);
  }

  async #spawn(
    args: readonly string[],
    read: (line: string) => void,
  ): Promise<{ code: number; stderr: string }> {
    const child = spawn(this.#binary, args, {
      cwd: this.options.folder,
      env: { ...process.env, TF_IN_AUTOMATION: "1", CHECKPOINT_DISABLE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (child.pid !== undefined) this.options.started?.(child.pid);
    // Ctrl-C reaches it by itself, as part of what the terminal runs; a service manager asks this process alone.
    const pass = () => child.kill("SIGTERM");
    process.on("SIGTERM", pass);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    createInterface(child.stdout).on("line", read);
    try {
      const [code] = (await once(child, "close")) as [number | null];
      return { code: code ?? 1, stderr };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new DeploymentError(missingTerraform(this.#binary), { cause: error });
    } finally {
      process.off("SIGTERM", pass);
    }
  }
}

/** Without the frames and colours that are for a terminal. */
const plain = (text: string) =>
  stripVTControlCharacters(text)
    .replaceAll(/^[╷│╵] ?/gm, "")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
