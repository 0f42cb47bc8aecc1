import { labelOf } from "./rendering";
import { type PlannedReview, type Review, digestOf, identityOf, isEmpty } from "./review";

/** What stands between a plan and the one that was reviewed: lines for people; none where they are the same. */
export function differences(reviewed: Review, now: PlannedReview): string[] {
  // To do nothing needs nobody's leave.
  if (isEmpty(now)) return [];
  if (reviewed.status === "failed")
    return [`It could not be planned when it was reviewed: ${reviewed.error}`];
  const before = reviewed.status === "planned" ? reviewed : nothing(now.stage);
  if (digestOf(before) === digestOf(now)) return [];
  const identities = (review: PlannedReview) =>
    new Map(review.changes.map((change) => [labelOf(change), identityOf(change)]));
  const [then, today] = [identities(before), identities(now)];
  const lines = [
    ...now.changes
      .filter((change) => !then.has(labelOf(change)))
      .map((change) => `+ ${change.action} ${labelOf(change)} was not reviewed`),
    ...now.changes
      .filter((change) => then.has(labelOf(change)) && then.get(labelOf(change)) !== identityOf(change))
      .map((change) => `~ ${change.action} ${labelOf(change)} is another than was reviewed`),
    ...before.changes
      .filter((change) => !today.has(labelOf(change)))
      .map((change) => `- ${change.action} ${labelOf(change)} was reviewed, and is not to be done any more`),
  ];
  return lines.length > 0 ? lines : ["~ the outputs are others than were reviewed"];
}

const nothing = (stage: string): PlannedReview => ({
  status: "planned",
  stage,
  changes: [],
  drift: [],
  outputs: [],
  outputsText: "",
  warnings: [],
});
