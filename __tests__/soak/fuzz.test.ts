import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Report } from "./fuzz";

const SECONDS = process.env["TWEEDLE_SOAK"] === "full" ? 600 : 20;

// In a process of its own: coverage is counted for all of it.
test(
  `A fuzz run of ${SECONDS} s that follows the coverage of both functions finds nothing`,
  async () => {
    const run = promisify(execFile)(
      process.execPath,
      ["--import", "tsx", join(__dirname, "fuzz.ts"), "--seconds", String(SECONDS)],
      // The functions log a line for each request.
      { cwd: join(__dirname, "../.."), maxBuffer: Infinity },
    );
    const { stdout } = await run.catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? "" }));
    const report = JSON.parse(stdout) as Report & { seed: number };
    console.log(JSON.stringify({ ...report, findings: report.findings.length }));
    expect({ seed: report.seed, findings: report.findings }).toEqual({ seed: report.seed, findings: [] });
    // Otherwise it did not find its way in, and says nothing.
    expect(report.blocks).toBeGreaterThan(250);
    expect(report.statuses["200"]).toBeGreaterThan(20);
    expect(report.statuses["400"]).toBeGreaterThan(200);
  },
  (SECONDS + 120) * 1000,
);
