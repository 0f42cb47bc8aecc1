import type { App } from "cdktf";
import { formatBytes } from "./format";
import { ConfigurationError, type StageConfig, worstCaseBytesPerDay } from "./stage";

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

/** Says, on stderr, what each stage's limits allow its callers at worst. */
export function reportStages(stages: readonly StageConfig[]): void {
  for (const stage of stages) {
    const name = `producer-consumer-${stage.stage}`.padEnd(24);
    const cap =
      stage.maxObjectBytes === undefined ? "no cap" : `at most ${formatBytes(stage.maxObjectBytes)}`;
    const worst = formatBytes(worstCaseBytesPerDay(stage));
    console.error(
      `${name} objects: ${cap.padEnd(16)} at worst ${stage.throttlingRateLimit} requests/s store ${worst} a day`,
    );
  }
}
