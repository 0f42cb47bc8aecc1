import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Resource, SynthesizedStack } from "../stacks/tools";

/** A synthesized stack, and what the rules must know of it that its JSON does not say. */
export interface Deployment {
  readonly name: string;
  readonly stack: SynthesizedStack;
  readonly accountId: string;
  /** Whether nobody would miss what is in its buckets. */
  readonly throwAway: boolean;
  /** Whether whoever knows a key may fetch the payload, without a signature. */
  readonly open: boolean;
}

export type Attributes = Readonly<Record<string, unknown>>;

/** A small mistake in the real JSON. */
export interface Example {
  /** What the mistake is: "a bucket whose policies may be public". */
  readonly what: string;
  /** The deployment that is changed. @default the stage test, which has all there is to a stage */
  readonly of?: string;
  /** The construct whose resource is changed, or of which a new one is added. */
  readonly at: string;
  /** Its attributes as they are with the mistake; undefined where it is taken away. */
  readonly become: (attributes: Attributes, stack: SynthesizedStack) => Attributes | undefined;
  /** The type of a resource that is added. @default none is: it is there already */
  readonly adds?: string;
  /** The constructs that the rule finds. @default the changed one */
  readonly finds?: readonly string[];
}

/** Some attributes become others. */
export const set = (changes: Attributes) => (attributes: Attributes) => ({ ...attributes, ...changes });
/** One attribute becomes a reference to another construct's resource: ["role", "sender/role", "arn"]. */
export const refer =
  (name: string, path: string, attribute: string, changes: Attributes = {}) =>
  (attributes: Attributes, stack: SynthesizedStack) => ({
    ...attributes,
    ...changes,
    [name]: `\${${stack.at(path).address}.${attribute}}`,
  });
/** The resource is not there. */
export const gone = () => undefined;

type Json = Record<string, unknown> & {
  readonly resource: Record<string, Record<string, Record<string, unknown>>>;
};

/**
 * A deployment with a mistake in it, read from JSON that was written anew.
 *
 * @param folder where that JSON goes
 */
export function withMistake(deployment: Deployment, example: Example, folder: string): Deployment {
  const { stack, name } = deployment;
  const json = JSON.parse(stack.json) as Json;
  const { type, id, attributes } = example.adds ? added(example.adds) : existing(stack.at(example.at));
  const changed = example.become(attributes, stack);
  const byId = (json.resource[type] ??= {});
  const { "//": comment = { metadata: { path: `${name}/${example.at}` } } } = byId[id] ?? {};
  if (changed) byId[id] = { ...changed, "//": comment };
  else delete byId[id];
  mkdirSync(join(folder, "stacks", name), { recursive: true });
  writeFileSync(join(folder, "stacks", name, "cdk.tf.json"), JSON.stringify(json));
  return { ...deployment, stack: new SynthesizedStack(folder, name) };
}

const added = (type: string) => ({ type, id: "added", attributes: {} });
const existing = ({ type, address, attributes }: Resource) => ({
  type,
  id: address.slice(type.length + 1),
  attributes,
});

/** A stack as it was synthesized into a folder. */
export const readDeployment = (outdir: string, facts: Omit<Deployment, "stack">): Deployment => ({
  ...facts,
  stack: new SynthesizedStack(outdir, facts.name),
});
