import { mkdtempSync, rmSync } from "node:fs";
import { cpus, hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createFolderSync } from "../common/create-folder";
import { failOnLostOutput } from "../common/output";
import { compareForm } from "./form";
import { compareSigners } from "./signer";
import { compareSynths } from "./synth";
import { render } from "./table";
import { compareTransfers } from "./transfer";

/** Measures how fast and small we are beside others, here and now. @param json whether to print one document */
async function bench(json: boolean): Promise<void> {
  const machine = {
    name: hostname(),
    cpu: cpus()[0]?.model ?? "",
    cores: cpus().length,
    node: process.version,
  };
  const say = (text: string) => json || console.log(text);
  say(`${machine.name}: ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);

  const out = join(__dirname, "../cdktf.out");
  createFolderSync(out);
  const folder = mkdtempSync(join(out, "bench-"));
  try {
    const signer = compareSigners(folder);
    say(`\n${render(signer)}`);
    const form = compareForm(folder);
    say(`\n${render(form)}`);
    const synth = compareSynths(folder);
    say(`\n${render(synth)}`);
    const transfers = await compareTransfers(folder);
    for (const transfer of transfers) say(`\n${render(transfer)}`);
    if (json) console.log(JSON.stringify({ machine, signer, form, synth, transfers }, null, 2));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** npm run bench: exits with 2 for a mistake in the options, as all our commands. */
async function main(): Promise<void> {
  failOnLostOutput(console.error);
  let json: boolean;
  try {
    ({ json } = parseArgs({ options: { json: { type: "boolean", default: false } } }).values);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
    return;
  }
  await bench(json);
}

void main();
