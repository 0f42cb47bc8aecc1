import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readNames } from "./names";
import { constructPaths } from "./paths";
import { readRendering } from "./rendering";
import { type PlannedReview, reviewOf } from "./review";
import { PlanError, type TerraformOptions, diagnosticsOf, terraform } from "./terraform";

export interface PlanOptions extends TerraformOptions {
  readonly stage: string;
  /** Whether to lock the state meanwhile, which needs the right to write beside it. */
  readonly lock: boolean;
  /**
   * The same stack as it was synthesized before: it knows the constructs of what is no longer in the code.
   * @default none
   */
  readonly baseFolder?: string | undefined;
}

/** How long to wait for another who holds the state's lock. */
const LOCK_TIMEOUT = "5m";

/** What a plan that does anything ends with: https://developer.hashicorp.com/terraform/cli/commands/plan#detailed-exitcode */
const CHANGES = 2;

/**
 * Plans a stack and reviews the plan.
 *
 * @param use is given the plan's file, which holds secrets and is deleted once this resolves
 * @throws PlanError
 */
export async function withPlan<T>(
  options: PlanOptions,
  use: (review: PlannedReview, planFile: string) => Promise<T>,
): Promise<T> {
  // mkdtemp makes a folder that nobody else may read.
  const temporary = mkdtempSync(join(tmpdir(), "tweedle-plan-"));
  const planFile = join(temporary, "plan");
  try {
    await terraform(["init", "-input=false", "-no-color"], options);
    const lock = options.lock ? `-lock-timeout=${LOCK_TIMEOUT}` : "-lock=false";
    const args = ["plan", "-json", "-input=false", "-detailed-exitcode", lock, `-out=${planFile}`];
    const { code, stdout } = await terraform(args, options, [0, CHANGES]);
    const show = async (option: string) => (await terraform(["show", option, planFile], options)).stdout;
    // In the text, what is sensitive is masked. Each takes the provider seconds to start.
    const [json, text] = await Promise.all([show("-json"), show("-no-color")]);
    const names = readNames(json);
    const base = options.baseFolder === undefined ? [] : constructPaths(options.baseFolder);
    const paths = new Map([...base, ...constructPaths(options.folder)]);
    const rendering = readRendering(text, names);
    const review = reviewOf(options.stage, { names, rendering, diagnostics: diagnosticsOf(stdout), paths });
    if (code === CHANGES && review.changes.length + review.outputs.length === 0)
      throw new PlanError("The plan has changes that the review does not understand.", { output: text });
    return await use(review, planFile);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Plans a stack: what it would do. */
export const makeReview = (options: PlanOptions): Promise<PlannedReview> =>
  withPlan(options, (review) => Promise.resolve(review));
