import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ACTIONS, REASONS } from "./actions";
import type { Review } from "./review";
import { PlanError } from "./terraform";

/** More is no review of ours. */
const LARGEST_BYTES = 256 * 1024 ** 2;

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const flag: Check = (value) => value === true;
const word =
  (words: object): Check =>
  (value) =>
    typeof value === "string" && Object.hasOwn(words, value);
const list =
  (fit: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(fit);

/** Exactly these properties, of which some may be missing. */
const shape =
  (properties: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const all = { ...properties, ...optional };
    return (
      Object.keys(properties).every((name) => Object.hasOwn(value, name)) &&
      Object.entries(value).every(([name, part]) => Object.hasOwn(all, name) && all[name]?.(part))
    );
  };

const names = list(text);
const changed = { create: true, update: true, destroy: true };

const PLANNED = {
  changes: list(
    shape(
      {
        address: text,
        type: text,
        action: word(ACTIONS),
        forcedBy: names,
        attributes: names,
        digest: text,
        text,
      },
      {
        deposed: text,
        reason: word(REASONS),
        createFirst: flag,
        movedFrom: text,
        imported: flag,
        invokes: names,
        path: text,
      },
    ),
  ),
  drift: list(
    shape(
      { address: text, type: text, action: word({ update: true, destroy: true }), attributes: names },
      { path: text },
    ),
  ),
  outputs: list(shape({ name: text, action: word(changed), digest: text })),
  outputsText: text,
  warnings: list(shape({ summary: text }, { detail: text, address: text })),
};

/** What a review of each status must look like. */
const SHAPES: Readonly<Record<Review["status"], Readonly<Record<string, Check>>>> = {
  planned: PLANNED,
  same: {},
  failed: { error: text },
};

/**
 * Reads a review that another job has left. What that job ran may have been anybody's, so nothing is taken for granted:
 * it is a review of this stage in every property, or none.
 *
 * @throws PlanError
 */
export function readReview(path: string, stage: string): Review {
  const refuse = (why: string, cause?: unknown): never => {
    throw new PlanError(`${path} is no review of ${stage}: ${why}.`, { cause });
  };
  let value: unknown;
  try {
    if (statSync(path).size > LARGEST_BYTES) refuse("it is too large");
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof PlanError) throw error;
    refuse(error instanceof SyntaxError ? "it is no JSON" : "it cannot be read", error);
  }
  const { status } = (value ?? {}) as { readonly status?: unknown };
  if (typeof status !== "string" || !Object.hasOwn(SHAPES, status)) return refuse("it has no status");
  const fit = shape({
    status: text,
    stage: (given) => given === stage,
    ...SHAPES[status as Review["status"]],
  });
  return fit(value) ? (value as Review) : refuse("it has another form");
}

export const reviewFile = (folder: string, stage: string): string => join(folder, `${stage}.json`);

/** The file that names stacks that are no longer in the code. */
export const GONE = "gone.json";

/** The names of stacks that are no longer in the code, as another job has left them; none where it left nothing. */
export function readGone(folder: string): string[] {
  const path = join(folder, GONE);
  if (!existsSync(path)) return [];
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (names(value)) return value as string[];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new PlanError(`${path} must be a list of stacks.`);
}

/** What a stage is called, as main.ts allows it. */
const STAGE = /^[a-z][a-z0-9]{1,11}$/;

/**
 * All reviews of a folder. A stage whose review is missing or is none has failed, and is there as that.
 *
 * @param expected stages that must have one, in the order in which they are to stand
 */
export function readReviews(folder: string, expected: readonly string[]): Review[] {
  const found = (existsSync(folder) ? readdirSync(folder) : [])
    .filter((file) => file !== GONE && file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));
  const stages = new Set([...expected, ...found.toSorted()].filter((stage) => STAGE.test(stage)));
  return [...stages].map((stage) => {
    if (!found.includes(stage)) return { status: "failed", stage, error: "It left no review: see the run." };
    try {
      return readReview(reviewFile(folder, stage), stage);
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
      return { status: "failed", stage, error: error.message };
    }
  });
}

/**
 * The stages of a workflow's matrix, as plan/stages.ts prints them.
 *
 * @throws PlanError
 */
export function readMatrix(json: string): string[] {
  try {
    return (JSON.parse(json || "[]") as { stage: unknown }[]).map(({ stage }) => String(stage));
  } catch (error) {
    throw new PlanError("STAGES must be the matrix that plan/stages.ts prints.", { cause: error });
  }
}
