import type { App } from "cdktf";
import { formatBytes } from "./format";
import { ConfigurationError, type StageConfig, stackName, worstCaseBytesPerDay } from "./stage";

/** Synthesizes an app. A mistake in its configuration is told in one line and ends the process with 1. */
export function runApp(createApp: () => App): void {
  try {
    createApp().synth();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** Says what each stage's limits allow its callers at worst. */
export function reportStages(stages: readonly StageConfig[]): void {
  for (const stage of stages) {
    const cap =
      stage.maxObjectBytes === undefined
        ? "as S3 takes them"
        : `at most ${formatBytes(stage.maxObjectBytes)}`;
    const worst = formatBytes(worstCaseBytesPerDay(stage));
    console.log(
      `${stackName(stage.stage).padEnd(24)} objects ${cap.padEnd(18)} callers can store ${worst} a day at worst`,
    );
  }
}
