import { ACTIONS, ACTION_NAMES, REASONS } from "./actions";
import { excerpt } from "../common/quote";
import {
  type Change,
  type Counts,
  type Drift,
  type PlannedReview,
  type Warning,
  countsOf,
  isEmpty,
} from "./review";

/** Longer ones are cut in the middle, and say so: nothing that anybody types is. */
const LONGEST_NAME = 400;
/** Of the attributes that change, so many are named. */
const MOST_ATTRIBUTES = 12;

export const shorten = (name: string): string =>
  name.length <= LONGEST_NAME
    ? name
    : `${name.slice(0, LONGEST_NAME / 2)}…${name.length - LONGEST_NAME} more…${name.slice(-LONGEST_NAME / 2)}`;

const counted = (counts: Counts) =>
  ACTION_NAMES.filter((action) => counts[action] > 0).map(
    (action) => `${counts[action]} ${ACTIONS[action].says}`,
  );

/** 1 to destroy, 2 to update; 1 changed outside of Terraform */
export function summaryOf(review: PlannedReview): string {
  const { drift, outputs, warnings } = review;
  const nothing = isEmpty(review) ? ["nothing to do"] : [];
  const warned =
    warnings.length === 0 ? "" : `; ${warnings.length} warning${warnings.length === 1 ? "" : "s"}`;
  const outputsToo = outputs.length > 0 ? [`${outputs.length} output${outputs.length === 1 ? "" : "s"}`] : [];
  const intent = [...counted(countsOf(review)), ...outputsToo, ...nothing].join(", ");
  const outside = drift.length === 0 ? "" : `; ${drift.length} changed outside of Terraform`;
  return `${intent}${outside}${warned}`;
}

/**
 * The rest of a change's line: why, where from, and which attributes.
 *
 * @param name how a name of somebody else's is shown
 */
export function detailsOf(change: Change, name: (text: string) => string): string[] {
  const { reason, forcedBy, attributes, createFirst, movedFrom, imported, invokes, action } = change;
  return [
    forcedBy.length > 0 ? `${listed(forcedBy, name)} cannot be changed in place` : reason && REASONS[reason],
    createFirst && "the new one is made first",
    attributes.length > 0 && listed(attributes, name),
    movedFrom !== undefined && `moved from ${name(shorten(movedFrom))}`,
    imported && action !== "import" && "imported",
    imported && action === "replace" && "what is imported is destroyed",
    invokes !== undefined && `invokes ${listed(invokes, name)}`,
  ].filter((detail) => typeof detail === "string");
}

export const driftDetails = ({ action, attributes }: Drift, name: (text: string) => string): string =>
  action === "destroy" ? "it is gone" : listed(attributes, name);

/** A warning in one line. */
export const sayWarning = ({ summary, detail = "", address }: Warning): string =>
  excerpt(
    `${summary}${detail === "" ? "" : `: ${detail}`}${address === undefined ? "" : ` (${address})`}`.replace(
      /\s+/g,
      " ",
    ),
  );

function listed(attributes: readonly string[], name: (text: string) => string): string {
  const more = attributes.length - MOST_ATTRIBUTES;
  const named = attributes.slice(0, MOST_ATTRIBUTES).map((attribute) => name(shorten(attribute)));
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
