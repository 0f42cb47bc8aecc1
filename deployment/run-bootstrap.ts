import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOTSTRAP_STACK, createBootstrap } from "../bootstrap";
import type { BootstrapConfig } from "../stacks/bootstrap-config";
import { type Existing, existing, stateBucket } from "./adopt";
import { type Claim, claim } from "./claim";
import { DeploymentError } from "./errors";
import { explain, lockHolder, lockOf, saysNoBucket } from "./explain";
import { type State, readStateFile } from "./state";
import { Terraform, TerraformError } from "./terraform";

export interface BootstrapOptions {
  readonly config: BootstrapConfig;
  /** Where it is synthesized, and where the state is until there is a bucket. */
  readonly outdir: string;
  /** Whether only to show what would be changed. */
  readonly dryRun: boolean;
  /** Shows a plan in colours. @default false */
  readonly colour?: boolean;
  /** Asks whether to go on. */
  readonly confirm: () => Promise<boolean>;
  /** Is told what happens, line by line. */
  readonly say: (line: string) => void;
}

/** Merged by Terraform into the stack's JSON, where its backend takes the place of the bucket that is not there yet. */
const LOCAL_STATE_OVERRIDE = "local_state_override.tf.json";
/** Not Terraform's own name for it: what has that, Terraform wants to move itself, and asks. */
const LOCAL_STATE = "bootstrap.tfstate";

/** https://opentofu.org/docs/language/state/encryption/#initial-setup */
const ENCRYPTED_FILE =
  "TF_ENCRYPTION encrypts the state, which is in a file until its bucket is made, and is read there: unset it for the " +
  'first run, and set it again with method "unencrypted" as its fallback.';

/**
 * Makes what the stages need before they are, or brings it up to date. Its state is in the bucket that it makes: until that is
 * there, in a file beside the stack, which then moves. Each step looks at what is there, so it ends right wherever an earlier
 * run was killed:
 *
 * - before the bucket was made, the file goes on;
 * - between the bucket and the move, or within the move, the file is moved;
 * - while it held the lock, the lock is taken from whom nobody will hear of again;
 * - before something was written down that it had made, that is taken into the state.
 *
 * @returns the outputs; undefined where nothing was to be applied, or somebody said no
 * @throws DeploymentError that says what to do
 */
export async function bootstrap(options: BootstrapOptions): Promise<Record<string, unknown> | undefined> {
  const { config, outdir } = options;
  const claimed = await claim(join(outdir, "run.json"));
  try {
    const outputs = await new Bootstrap(options, claimed).run();
    claimed.release();
    return outputs;
  } catch (error) {
    // Of a run that was killed before this one, a lock may still be left.
    if (!claimed.mayHaveLocked) claimed.release();
    throw error instanceof TerraformError ? explain(error, config.accountId) : error;
  }
}

/** Whether a state knows all that another one knows. (Terraform gives a state that it moves a new lineage.) */
function holdsAllOf(one: State, other: State): boolean {
  const known = ({ resources }: State) =>
    resources.flatMap(({ type, name, instances }) =>
      instances.map(({ attributes }) => `${type}.${name} ${attributes.id}`),
    );
  const all = new Set(known(one));
  return known(other).every((resource) => all.has(resource));
}

class Bootstrap {
  readonly #folder: string;
  readonly #stack: string;
  readonly #override: string;
  readonly #localState: string;
  readonly #terraform: Terraform;

  constructor(
    private readonly options: BootstrapOptions,
    private readonly claimed: Claim,
  ) {
    this.#folder = join(options.outdir, "stacks", BOOTSTRAP_STACK);
    this.#stack = join(this.#folder, "cdk.tf.json");
    this.#override = join(this.#folder, LOCAL_STATE_OVERRIDE);
    this.#localState = join(this.#folder, LOCAL_STATE);
    this.#terraform = new Terraform({
      folder: this.#folder,
      started: claimed.started,
      progress: (line) => options.say(`  ${line}`),
    });
  }

  async run(): Promise<Record<string, unknown> | undefined> {
    const { config, outdir, dryRun, say } = this.options;
    createBootstrap(config, outdir).synth();
    rmSync(this.#override, { force: true });
    say(`Account ${config.accountId}, ${config.region}: looking for the state's bucket.`);
    const found = await this.#goToBucket();
    if (!found && process.env["TF_ENCRYPTION"]) throw new DeploymentError(ENCRYPTED_FILE);
    if (!found) say("There is none yet: the state is kept in a file until it is made.");
    if (existsSync(this.#localState)) say("A file is left of an earlier run, which this one carries on.");
    if (!found || (dryRun && existsSync(this.#localState))) {
      writeFileSync(
        this.#override,
        JSON.stringify({ terraform: { backend: { local: { path: LOCAL_STATE } } } }),
      );
      await this.#terraform.init();
    } else if (!dryRun) {
      await this.#moveState();
      await this.#adoptBucket();
    }
    const done = await this.#converge();
    if (!done) return undefined;
    if (!found) {
      rmSync(this.#override);
      if (!(await this.#goToBucket())) throw new Error("The bucket was made, and is not there.");
      await this.#moveState();
    }
    return await this.#terraform.outputs();
  }

  /** @returns false where there is no bucket */
  async #goToBucket(): Promise<boolean> {
    try {
      await this.#terraform.init();
      return true;
    } catch (error) {
      if (error instanceof TerraformError && saysNoBucket(error)) return false;
      throw error;
    }
  }

  /** Moves the file's state into the bucket, if there is one, and it is not there already. */
  async #moveState(): Promise<void> {
    const file = this.#localState;
    const ours = readStateFile(file);
    if (ours) {
      const theirs = await this.#terraform.state();
      if (!theirs) {
        await this.#unlessLocked(() => this.#terraform.push(LOCAL_STATE));
      } else if (!holdsAllOf(theirs, ours)) {
        throw new DeploymentError(
          `There are two states, in the bucket and in ${file}: move the file away if the bucket's is the right one.`,
        );
      }
      this.options.say("The state has moved into its bucket.");
    }
    const leftovers = readdirSync(this.#folder).filter((name) => name.startsWith(LOCAL_STATE));
    for (const name of leftovers) rmSync(join(this.#folder, name));
  }

  /** The bucket that holds the state has to be in it, though a run was killed before it said so, or somebody made it by hand. */
  async #adoptBucket(): Promise<void> {
    const { address, id } = stateBucket(this.#stack, this.options.config);
    const { resources = [] } = (await this.#terraform.state()) ?? {};
    const known = resources.some(({ type, name }) => `${type}.${name}` === address);
    if (!known) await this.#adopt({ address, id, shared: false });
  }

  /** Plans and applies until there is nothing left to do. @returns false where somebody said no, or only wants to see */
  async #converge(): Promise<boolean> {
    const { config, dryRun, colour = false, confirm, say } = this.options;
    for (;;) {
      const { changes, text } = await this.#unlessLocked(() => this.#terraform.plan(colour));
      if (!changes) {
        say("Everything is as it should be.");
        return !dryRun;
      }
      say(text);
      if (dryRun || !(await confirm())) return false;
      try {
        await this.#unlessLocked(() => this.#terraform.apply());
        return true;
      } catch (error) {
        if (!(error instanceof TerraformError)) throw error;
        const adoptable = existing(error.diagnostics, this.#stack, config.accountId);
        if (adoptable.length === 0) throw error;
        for (const one of adoptable) await this.#adopt(one);
      }
    }
  }

  async #adopt({ address, id, shared }: Existing): Promise<void> {
    this.options.say(`${id} is there already: it is taken into the state.`);
    await this.#unlessLocked(() => this.#terraform.import(address, id));
    if (shared && !(await this.#isOurs(address))) {
      await this.#terraform.forget(address);
      throw new DeploymentError(
        `${id} is there already, and something else made it: set oidcProviderExists: true in bootstrap.ts.`,
      );
    }
  }

  /** Whether a resource's tags, as they were imported, say that this project made it. */
  async #isOurs(address: string): Promise<boolean> {
    const { resources = [] } = (await this.#terraform.state()) ?? {};
    const [type, name] = address.split(".");
    return resources.some(
      (resource) =>
        resource.type === type &&
        resource.name === name &&
        resource.instances[0]?.attributes.tags_all?.["project"] === "tweedle",
    );
  }

  /** Does something that locks the state. The lock of a run that was killed here is taken away, and nobody else's. */
  async #unlessLocked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const lock = error instanceof TerraformError ? lockOf(error) : undefined;
      if (lock?.who !== lockHolder() || !this.claimed.mayHaveLocked?.(lock.created)) throw error;
      this.options.say(
        `The state was still locked by the run that was killed (${lock.created.toISOString()}).`,
      );
      await this.#terraform.unlock(lock.id);
      return await work();
    }
  }
}
