import { isDeepStrictEqual } from "node:util";
import { quote } from "../common/quote";
import { type Action, REASONS, type Reason } from "./actions";
import { type Values, digestOf, hasTrue, parseExactly, partOf, withAttributes } from "./digest";
import { labelOf } from "./rendering";
import { PlanError } from "./terraform";

/** What a plan does to one resource: names and words of Terraform's, and no value of an attribute. */
export interface NamedChange {
  readonly address: string;
  /** The resource's type: aws_s3_bucket. */
  readonly type: string;
  /** The key of a deposed object: what a replacement that failed has left behind. */
  readonly deposed?: string;
  readonly action: Action;
  readonly reason?: Reason;
  /** Of a replacement: whether the new one is made before the old one goes. */
  readonly createFirst?: true;
  /** The attributes that force a replacement. */
  readonly forcedBy: readonly string[];
  /** The attributes that change, of an update or a replacement. */
  readonly attributes: readonly string[];
  /** Where it was, of what moves. */
  readonly movedFrom?: string;
  /** Whether it comes from outside of Terraform. */
  readonly imported?: true;
  /** The addresses of the provider's actions that Terraform invokes before or after it. */
  readonly invokes?: readonly string[];
  /** A digest of the whole change, values included, but for the attributes that an update or a move leaves as they are. */
  readonly digest: string;
}

/** What was changed by others than Terraform. */
export interface NamedDrift {
  readonly address: string;
  readonly type: string;
  readonly action: "update" | "destroy";
  readonly attributes: readonly string[];
}

export interface NamedOutput {
  readonly name: string;
  readonly action: "create" | "update" | "destroy";
  /** A digest of its values. */
  readonly digest: string;
}

/** A change that Terraform leaves to a later plan. */
export interface DeferredChange {
  readonly address: string;
  /** Terraform's word for why: instance_count_unknown. */
  readonly reason: string;
}

export interface PlanNames {
  readonly changes: readonly NamedChange[];
  readonly drift: readonly NamedDrift[];
  readonly outputs: readonly NamedOutput[];
  readonly deferred: readonly DeferredChange[];
  /** The line that Terraform's text of a change has after its heading: resource "aws_s3_bucket" "content"; by label. */
  readonly blocks: ReadonlyMap<string, string>;
}

type Attributes = Readonly<Record<string, unknown>>;

/** What is read of `terraform show -json`. https://developer.hashicorp.com/terraform/internals/json-format */
interface RawChange extends Values {
  readonly actions: readonly string[];
  readonly before?: Attributes | null;
  readonly after?: Attributes | null;
  readonly replace_paths?: readonly (readonly unknown[])[];
  readonly importing?: object;
}

interface RawResource {
  readonly address: string;
  readonly previous_address?: string;
  readonly mode: string;
  readonly type: string;
  readonly name: string;
  readonly deposed?: string;
  readonly action_reason?: string;
  readonly change: RawChange;
}

interface RawOutput extends Values {
  readonly actions: readonly string[];
}

/** https://developer.hashicorp.com/terraform/language/invoke-actions */
interface RawInvocation {
  readonly address: string;
  readonly config_sensitive?: unknown;
  readonly lifecycle_action_trigger?: { readonly triggering_resource_address: string };
}

interface RawDeferred {
  readonly reason: string;
  readonly resource_change: Pick<RawResource, "address">;
}

interface RawPlan {
  readonly resource_changes?: readonly RawResource[];
  readonly resource_drift?: readonly RawResource[];
  readonly output_changes?: Readonly<Record<string, RawOutput>>;
  readonly action_invocations?: readonly RawInvocation[];
  readonly deferred_changes?: readonly RawDeferred[];
}

const WORDS: Readonly<Record<string, Action>> = {
  create: "create",
  update: "update",
  delete: "destroy",
  "delete,create": "replace",
  "create,delete": "replace",
  forget: "forget",
};

/** Of a data source, all but reading it happens in the state alone. */
const DATA_WORDS: Readonly<Record<string, Action | undefined>> = {
  read: "read",
  delete: undefined,
  "no-op": undefined,
};

const OUTPUT_WORDS: Readonly<Record<string, NamedOutput["action"] | undefined>> = {
  create: "create",
  update: "update",
  delete: "destroy",
  "no-op": undefined,
};

/**
 * Reads a plan. Its JSON holds every secret of the stage in clear, so this is the only function that sees it, and it
 * gives out names and digests: addresses, types, the names of attributes as the provider's schema has them (the first
 * step of a path: further ones may be keys of a map, which are values), the names of outputs.
 *
 * @param json what `terraform show -json` printed
 * @throws PlanError where the plan has an action that the review does not support, so that none is overlooked
 */
export function readNames(json: string): PlanNames {
  const plan = parsePlan(json);
  const { resource_changes: resources = [], action_invocations: invocations = [] } = plan;
  const changes = resources.flatMap((resource) => readChange(resource, invocations));
  const invoked = changes.flatMap(({ invokes = [] }) => invokes);
  if (invoked.length < invocations.length) {
    const addresses = invocations.map(({ address }) => address).join(", ");
    throw new PlanError(
      `The plan invokes actions by themselves, which the review does not support: ${addresses}.`,
    );
  }
  return {
    changes,
    drift: (plan.resource_drift ?? []).flatMap(readDrift),
    outputs: Object.entries(plan.output_changes ?? {}).flatMap(readOutput),
    deferred: (plan.deferred_changes ?? []).map(({ reason, resource_change: { address } }) => ({
      address,
      reason,
    })),
    blocks: blocksOf(resources, changes),
  };
}

function parsePlan(json: string): RawPlan {
  try {
    return parseExactly(json) as RawPlan;
  } catch (error) {
    throw new PlanError(`Terraform's plan is not JSON, but ${quote(json.trim())}.`, { cause: error });
  }
}

function blocksOf(resources: readonly RawResource[], changes: readonly NamedChange[]): Map<string, string> {
  const labels = changes.map(labelOf);
  if (new Set(labels).size < labels.length) {
    const twice = labels.find((label, index) => labels.includes(label, index + 1));
    throw new PlanError(`The plan has two changes of ${twice}, which the review does not support.`);
  }
  return new Map(
    resources.map((resource) => {
      const { mode, type, name } = resource;
      return [labelOf(resource), `${mode === "data" ? "data" : "resource"} "${type}" "${name}"`];
    }),
  );
}

/** Looks an action up. @throws PlanError where it is not there */
function wordOf<T>(
  words: Readonly<Record<string, T>>,
  actions: readonly string[],
  what: string,
): T | undefined {
  const action = actions.join();
  if (!Object.hasOwn(words, action)) {
    throw new PlanError(`The plan has the action "${action}" on ${what}, which the review does not support.`);
  }
  return words[action];
}

/** @returns undefined where nothing is done, or in the state alone */
function actionOf({ address, mode, change, previous_address }: RawResource): Action | undefined {
  if (mode === "data") return wordOf(DATA_WORDS, change.actions, address);
  // OpenTofu lists ephemeral resources, which Terraform does not: no plan does anything to them.
  if (mode === "ephemeral") return undefined;
  if (mode !== "managed") {
    throw new PlanError(
      `The plan has a resource of mode "${mode}", which the review does not support: ${address}.`,
    );
  }
  if (change.actions.join() !== "no-op") return wordOf(WORDS, change.actions, address);
  if (previous_address !== undefined) return "move";
  return change.importing === undefined ? undefined : "import";
}

function readChange(resource: RawResource, invocations: readonly RawInvocation[]): NamedChange[] {
  const { address, type, deposed, change, previous_address: movedFrom, action_reason } = resource;
  const action = actionOf(resource);
  if (action === undefined) return [];
  const forcedBy = unique((change.replace_paths ?? []).map(([attribute]) => String(attribute)));
  const known = action === "replace" ? changedAttributes(change, true) : [];
  const imported = change.importing !== undefined;
  const invoked = deposed === undefined ? invocations.filter((one) => triggerOf(one) === address) : [];
  return [
    {
      address,
      type,
      ...(deposed !== undefined && { deposed }),
      action,
      ...(isReason(action_reason) && { reason: action_reason }),
      ...(change.actions[0] === "create" && change.actions.length > 1 && { createFirst: true as const }),
      forcedBy,
      attributes:
        action === "update"
          ? changedAttributes(change)
          : known.filter((attribute) => !forcedBy.includes(attribute)),
      ...(movedFrom !== undefined && { movedFrom }),
      ...(imported && { imported: true as const }),
      ...(invoked.length > 0 && { invokes: invoked.map((one) => one.address) }),
      digest: digestOfChange(resource, action, invoked),
    },
  ];
}

const triggerOf = ({ lifecycle_action_trigger: trigger }: RawInvocation) =>
  trigger?.triggering_resource_address;

/** Covers all that the plan says of a change. Others may change what an update or a move leaves as it is. */
function digestOfChange(resource: RawResource, action: Action, invoked: readonly RawInvocation[]): string {
  const { change } = resource;
  const leaves = ["update", "move"].includes(action) && change.importing === undefined;
  const covered = leaves ? withAttributes(change, changedAttributes(change)) : change;
  const marks = invoked.map((one) => one.config_sensitive);
  const values = [{ ...resource, change: covered }, invoked];
  return digestOf(values, change.before_sensitive, change.after_sensitive, marks);
}

function readOutput([name, change]: readonly [string, RawOutput]): NamedOutput[] {
  const action = wordOf(OUTPUT_WORDS, change.actions, `output ${name}`);
  if (action === undefined) return [];
  return [{ name, action, digest: digestOf(change, change.before_sensitive, change.after_sensitive) }];
}

function readDrift({ address, type, change }: RawResource): NamedDrift[] {
  const action = WORDS[change.actions.join()];
  if (action === "destroy") return [{ address, type, action, attributes: [] }];
  // After a first apply, a refresh turns much that was missing into something empty: nobody did that.
  const attributes = changedAttributes(change).filter(
    (name) => !(isEmpty(change.before?.[name]) && isEmpty(change.after?.[name])),
  );
  return action === "update" && attributes.length > 0 ? [{ address, type, action, attributes }] : [];
}

/**
 * @param onlyKnown leave out what nobody knows before it is made, as everything computed of a replacement
 */
function changedAttributes(change: RawChange, onlyKnown = false): string[] {
  const { before, after, before_sensitive, after_sensitive, after_unknown } = change;
  const names = [before, after, after_unknown].flatMap((part) => Object.keys(part ?? {}));
  return unique(names)
    .filter((name) => {
      const unknown = hasTrue(partOf(after_unknown, name));
      if (onlyKnown && unknown) return false;
      return (
        unknown ||
        !isDeepStrictEqual(before?.[name] ?? null, after?.[name] ?? null) ||
        marksDiffer(partOf(before_sensitive, name), partOf(after_sensitive, name))
      );
    })
    .toSorted();
}

/** Marks of nothing have several forms. */
const marksDiffer = (before: unknown, after: unknown): boolean =>
  (hasTrue(before) || hasTrue(after)) && !isDeepStrictEqual(before, after);

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0);

const isReason = (reason: string | undefined): reason is Reason =>
  reason !== undefined && Object.hasOwn(REASONS, reason);

const unique = (names: readonly string[]) => [...new Set(names)];
