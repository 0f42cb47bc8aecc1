import { isDeepStrictEqual } from "node:util";
import { type Action, REASONS, type Reason } from "./actions";
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
}

export interface PlanNames {
  readonly changes: readonly NamedChange[];
  readonly drift: readonly NamedDrift[];
  readonly outputs: readonly NamedOutput[];
}

type Attributes = Readonly<Record<string, unknown>>;

/** What is read of `terraform show -json`. https://developer.hashicorp.com/terraform/internals/json-format */
interface RawChange {
  readonly actions: readonly string[];
  readonly before?: Attributes | null;
  readonly after?: Attributes | null;
  readonly after_unknown?: Attributes | boolean;
  readonly before_sensitive?: Attributes | boolean;
  readonly after_sensitive?: Attributes | boolean;
  readonly replace_paths?: readonly (readonly unknown[])[];
  readonly importing?: object;
}

interface RawResource {
  readonly address: string;
  readonly previous_address?: string;
  readonly mode: string;
  readonly type: string;
  readonly deposed?: string;
  readonly action_reason?: string;
  readonly change: RawChange;
}

interface RawPlan {
  readonly resource_changes?: readonly RawResource[];
  readonly resource_drift?: readonly RawResource[];
  readonly output_changes?: Readonly<Record<string, Pick<RawChange, "actions">>>;
}

const WORDS: Readonly<Record<string, Action>> = {
  create: "create",
  update: "update",
  delete: "destroy",
  "delete,create": "replace",
  "create,delete": "replace",
  forget: "forget",
};

/**
 * Reads a plan. Its JSON holds every secret of the stage in clear, so this is the only function that sees it, and it
 * gives out names: addresses, types, the names of attributes as the provider's schema has them (the first step of a
 * path: further ones may be keys of a map, which are values), the names of outputs.
 *
 * @param json what `terraform show -json` printed
 * @throws PlanError where it would do what has no word here: that must not pass for nothing
 */
export function readNames(json: string): PlanNames {
  const plan = JSON.parse(json) as RawPlan;
  return {
    changes: (plan.resource_changes ?? []).flatMap(readChange),
    drift: (plan.resource_drift ?? []).flatMap(readDrift),
    outputs: Object.entries(plan.output_changes ?? {}).flatMap(([name, { actions }]) => {
      const action = WORDS[actions.join()];
      return action === "create" || action === "update" || action === "destroy" ? [{ name, action }] : [];
    }),
  };
}

function readChange(resource: RawResource): NamedChange[] {
  const { address, type, mode, deposed, change, previous_address: movedFrom, action_reason } = resource;
  if (mode !== "managed") return [];
  const imported = change.importing !== undefined;
  const still = movedFrom === undefined ? (imported ? "import" : undefined) : "move";
  const word = WORDS[change.actions.join()];
  if (word === undefined && change.actions.join() !== "no-op") {
    throw new PlanError(
      `Terraform would ${change.actions.join(" and ")} ${address}, which no review can tell.`,
    );
  }
  const action = word ?? still;
  if (action === undefined) return [];
  const forcedBy = unique((change.replace_paths ?? []).map(([attribute]) => String(attribute)));
  const known = action === "replace" ? changedAttributes(change, true) : [];
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
    },
  ];
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
      const unknown = hasTrue(part(after_unknown, name));
      if (onlyKnown && unknown) return false;
      return (
        unknown ||
        !isDeepStrictEqual(before?.[name] ?? null, after?.[name] ?? null) ||
        hasTrue(part(before_sensitive, name)) !== hasTrue(part(after_sensitive, name))
      );
    })
    .toSorted();
}

const part = (marks: Attributes | boolean | undefined, name: string): unknown =>
  typeof marks === "object" ? marks[name] : marks;

/** Whether anything of it is marked. */
const hasTrue = (marks: unknown): boolean =>
  marks === true || (typeof marks === "object" && marks !== null && Object.values(marks).some(hasTrue));

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0);

const isReason = (reason: string | undefined): reason is Reason =>
  reason !== undefined && Object.hasOwn(REASONS, reason);

const unique = (names: readonly string[]) => [...new Set(names)];
