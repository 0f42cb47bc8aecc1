import { readFileSync } from "node:fs";
import { quote } from "../common/quote";
import { DeploymentError } from "./errors";

/** A state, as far as it is read here. */
export interface State {
  readonly resources: readonly {
    readonly type: string;
    readonly name: string;
    readonly instances: readonly {
      readonly attributes: { readonly id: string; readonly tags_all?: Record<string, string> };
    }[];
  }[];
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The format of Terraform since 0.12, and of OpenTofu. */
const VERSION = 4;

/** The rules of a state's form, each with why one that breaks it cannot be read. */
const RULES: readonly (readonly [fits: (state: Json) => boolean, why: (state: Json) => string])[] = [
  // https://opentofu.org/docs/language/state/encryption/
  [(state) => !("encrypted_data" in state), () => "it is encrypted by OpenTofu"],
  [({ version }) => version === VERSION, ({ version }) => `its format is ${quote(version)}, not ${VERSION}`],
  [
    ({ resources }) => isListOf(resources, isResource),
    () => "its resources are not as Terraform writes them",
  ],
];

const isListOf = (value: unknown, fits: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(fits);

const isResource = (value: unknown): boolean =>
  isObject(value) &&
  [value["type"], value["name"]].every((name) => typeof name === "string") &&
  isListOf(value["instances"], (instance) => isObject(instance) && isObject(instance["attributes"]));

/**
 * Reads a state.
 *
 * @param text what a state file holds, or `terraform state pull` prints
 * @param source what it is, to begin a sentence with
 * @param remedy what to do where it cannot be read, a sentence
 * @returns undefined for a state of nothing
 * @throws DeploymentError where it is encrypted, of another format, or no state
 */
export function parseState(text: string, source: string, remedy: string): State | undefined {
  if (text.trim() === "") return undefined;
  const refuse = (why: string) => new DeploymentError(`${source} cannot be read, since ${why}. ${remedy}`);
  const state = parseJson(text);
  if (!isObject(state)) throw refuse(`it is ${quote(text.trim())}`);
  const [, why] = RULES.find(([fits]) => !fits(state)) ?? [];
  if (why !== undefined) throw refuse(why(state));
  const { resources } = state as unknown as State;
  return resources.length === 0 ? undefined : { resources };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads a state file that an earlier run has left.
 *
 * @returns undefined where there is none, or one of nothing
 * @throws DeploymentError where it cannot be read
 */
export function readStateFile(file: string): State | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new DeploymentError(`The state in ${file} cannot be read: ${code}.`, { cause: error });
  }
  return parseState(
    text,
    `The state in ${file}`,
    "Move it away and run again, without TF_ENCRYPTION: what exists is taken into a new state.",
  );
}
