import type { App } from "cdktf";
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

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

/** Bytes for people: 5.4 GB. */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** Says, on stderr, what each stage's limits allow its callers at worst. */
export function reportStages(stages: readonly StageConfig[]): void {
  for (const stage of stages) {
    const name = `producer-consumer-${stage.stage}`.padEnd(24);
    const cap = stage.maxObjectBytes === undefined ? "no cap" : `at most ${formatBytes(stage.maxObjectBytes)}`;
    const worst = formatBytes(worstCaseBytesPerDay(stage));
    console.error(`${name} objects: ${cap.padEnd(16)} at worst ${stage.throttlingRateLimit} requests/s store ${worst} a day`);
  }
}
