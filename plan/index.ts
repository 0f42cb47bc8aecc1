import { parseArgs } from "node:util";
import { EXIT_CODES, UsageError } from "../client/cli/exit";
import { printJson } from "../client/cli/terminal";
import { quote } from "../common/quote";
import { STAGES } from "../main";
import { complain, runCommand } from "./command";
import { makeReview } from "./make";
import { toMarkdown } from "./markdown";
import { type FailedReview, type Review, isEmpty } from "./review";
import { isSynthesized, stackFolder, synthesize } from "./synth";
import { toTerminal, wantsColour } from "./terminal";
import { PlanError } from "./terraform";

const names = STAGES.map(({ stage }) => stage);

const HELP = `Usage: npm run plan -- [options]

Plans stages with Terraform, and says what would become of what: what is destroyed or replaced first.

  --stage STAGE        ${names.join(", ")}, or all; more than once for several; default dev
  --text               add Terraform's own text, which has the values
  --markdown           print Markdown, as for a pull request
  --json               print a line of JSON a stage
  --detailed-exitcode  end with 2 where there is something to do, and with 1 for a mistake in the options,
                       as terraform plan does
  --no-lock            do not lock the state meanwhile, as a role that only reads has to
  --base DIR           a folder as --output, synthesized before: it says where what is destroyed came from
  --output DIR         where to synthesize to; default cdktf.out
  --skip-synth         take what is there
  --help               show this

Exit codes: 0 planned, 1 failed, 2 a mistake in the options, or see --detailed-exitcode.`;

const OPTIONS = {
  stage: { type: "string", multiple: true, default: ["dev"] as string[] },
  text: { type: "boolean", default: false },
  markdown: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  "detailed-exitcode": { type: "boolean", default: false },
  "no-lock": { type: "boolean", default: false },
  base: { type: "string" },
  output: { type: "string", default: process.env["CDKTF_OUTDIR"] ?? "cdktf.out" },
  "skip-synth": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** @throws UsageError that names the stages */
function stagesOf(given: readonly string[]): string[] {
  const unknown = given.find((stage) => stage !== "all" && !names.includes(stage));
  if (unknown !== undefined) {
    throw new UsageError(`There is no stage ${quote(unknown)}. Stages: ${names.join(", ")}, or all.`);
  }
  return given.includes("all") ? names : names.filter((stage) => given.includes(stage));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const stages = stagesOf(values.stage);
  const { output, base } = values;
  if (!values["skip-synth"]) synthesize(output);

  const reviews: Review[] = [];
  for (const stage of stages) {
    // One after the other: each starts a provider of some hundred megabytes.
    const review = await makeReview({
      stage,
      folder: stackFolder(output, stage),
      environment: process.env,
      lock: !values["no-lock"],
      // A stage may be new.
      baseFolder: base !== undefined && isSynthesized(base, stage) ? stackFolder(base, stage) : undefined,
    }).catch((error: unknown): FailedReview => {
      if (!(error instanceof PlanError)) throw error;
      complain(error);
      return { status: "failed", stage, error: error.message };
    });
    reviews.push(review);
    if (values.json) printJson(review);
    else if (!values.markdown && review.status !== "failed") {
      const colour = wantsColour(process.stdout, process.env);
      console.log(toTerminal(review, { colour, text: values.text }));
    }
  }
  if (values.markdown) console.log(toMarkdown(reviews, { title: "Terraform plan" }, Infinity).join("\n"));
  if (reviews.some(({ status }) => status === "failed")) process.exitCode = 1;
  else if (values["detailed-exitcode"] && !reviews.every(isNothing)) process.exitCode = 2;
}

const isNothing = (review: Review) => review.status === "planned" && isEmpty(review);

if (require.main === module) {
  // There, 2 says that there is something to do.
  const isDetailed = process.argv.includes("--detailed-exitcode");
  void runCommand(main, isDetailed ? EXIT_CODES.failed : EXIT_CODES.usage);
}
