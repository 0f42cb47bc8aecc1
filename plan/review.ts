import { createHash } from "node:crypto";
import type { Diagnostic } from "../deployment/diagnostics";
import { ACTION_NAMES, type Action, HOLDS_DATA } from "./actions";
import type { DeferredChange, NamedChange, NamedDrift, NamedOutput, PlanNames } from "./names";
import { blockOf } from "./paths";
import { type Rendering, labelOf } from "./rendering";

export interface Change extends NamedChange {
  /** The construct's path in our code; none for what was made by code that is gone. */
  readonly path?: string;
  /** Terraform's own text; empty where it says nothing. */
  readonly text: string;
}

export interface Drift extends NamedDrift {
  readonly path?: string;
}

export interface Warning {
  readonly summary: string;
  readonly detail?: string;
  readonly address?: string;
}

/** What a plan would do to a stage. */
export interface PlannedReview {
  readonly status: "planned";
  readonly stage: string;
  /** The gravest first. */
  readonly changes: readonly Change[];
  /** What others than Terraform have changed; the plan may or may not change it back. */
  readonly drift: readonly Drift[];
  readonly outputs: readonly NamedOutput[];
  readonly outputsText: string;
  /** Warnings of Terraform, of its provider and of failed check blocks; changes that are left to a later plan. */
  readonly warnings: readonly Warning[];
}

/** A stage that was not planned, since its synthesized JSON is that of the base. */
export interface SameReview {
  readonly status: "same";
  readonly stage: string;
}

/** A stage whose plan could not be made. */
export interface FailedReview {
  readonly status: "failed";
  readonly stage: string;
  /** One line. */
  readonly error: string;
}

export type Review = PlannedReview | SameReview | FailedReview;

export interface PlanParts {
  readonly names: PlanNames;
  readonly rendering: Rendering;
  /** Errors and warnings of Terraform's, from planning. */
  readonly diagnostics: readonly Diagnostic[];
  /** Constructs by the addresses of their resources. */
  readonly paths: ReadonlyMap<string, string>;
}

export function reviewOf(stage: string, { names, rendering, diagnostics, paths }: PlanParts): PlannedReview {
  const withPath = <T extends { readonly address: string; readonly movedFrom?: string }>(one: T) => {
    const path = paths.get(blockOf(one.address)) ?? paths.get(blockOf(one.movedFrom ?? ""));
    return { ...one, ...(path !== undefined && { path }) };
  };
  const changes = names.changes.map((change) => ({
    ...withPath(change),
    text: rendering.resources.get(labelOf(change)) ?? "",
  }));
  return {
    status: "planned",
    stage,
    changes: changes.toSorted(byGravity),
    drift: names.drift.map(withPath),
    outputs: names.outputs,
    outputsText: rendering.outputs,
    warnings: [...diagnostics.flatMap(warningOf), ...names.deferred.map(deferralOf)],
  };
}

const warningOf = ({ severity, summary, detail, address }: Diagnostic): Warning[] =>
  severity === "warning"
    ? [{ summary, ...(detail !== undefined && { detail }), ...(address !== undefined && { address }) }]
    : [];

const deferralOf = ({ address, reason }: DeferredChange): Warning => ({
  summary: "Left to a later plan",
  detail: reason,
  address,
});

/** By action, within one what holds data first, then by address, the same everywhere. */
function byGravity(a: Change, b: Change): number {
  return (
    ACTION_NAMES.indexOf(a.action) - ACTION_NAMES.indexOf(b.action) ||
    Number(lossOf(b) !== undefined) - Number(lossOf(a) !== undefined) ||
    (labelOf(a) < labelOf(b) ? -1 : 1)
  );
}

/** What is lost for good by a change; undefined where nothing is. */
export const lossOf = ({ action, type }: Pick<Change, "action" | "type">): string | undefined =>
  (action === "destroy" || action === "replace") && Object.hasOwn(HOLDS_DATA, type)
    ? HOLDS_DATA[type]
    : undefined;

export type Counts = Readonly<Record<Action, number>>;

export function countsOf({ changes }: PlannedReview): Counts {
  const counts = Object.fromEntries(ACTION_NAMES.map((action) => [action, 0])) as Record<Action, number>;
  for (const { action } of changes) counts[action] += 1;
  return counts;
}

/**
 * Whether an apply would do nothing. It may read data sources: a check block has its own read in every plan, and
 * Terraform reads the others while it plans.
 */
export const isEmpty = ({ changes, outputs }: PlannedReview): boolean =>
  changes.every(({ action }) => action === "read") && outputs.length === 0;

/**
 * Computes a plan's identity: equal for two plans that do the same, and are shown alike. It covers each change's values
 * by their digest, and Terraform's text of it. What others have changed meanwhile is not in it, as long as it does not
 * change what is to be done.
 */
export function digestOf(review: PlannedReview): string {
  const { changes, outputs, outputsText } = review;
  return createHash("sha256")
    .update(JSON.stringify([changes.map(identityOf), outputs, outputsText]))
    .digest("hex");
}

/** All of a change but where it is in the code. */
export function identityOf({ path: _, text, ...names }: Change): string {
  const lines = text.split("\n").map((line) => line.trimEnd());
  return JSON.stringify([...Object.entries(names).toSorted(([a], [b]) => (a < b ? -1 : 1)), lines]);
}
