import { parseArgs } from "node:util";
import { PORTS } from "./chain";
import {
  CHAIN_OPTIONS,
  chainFlags,
  chainHelp,
  interrupted,
  run,
  startChain,
  terminalReporter,
  unlessInterrupted,
} from "./command";
import { sendFirstMessage } from "./first-message";
import { describe, instructions } from "./instructions";

const HELP = `Usage: npm start -- [options]

Runs the whole chain on this machine, sends a first message through it, and stays up.

${chainHelp(PORTS.api)}
  --json          print one line of JSON once all is up, and nothing else; sends no message`;

void run(async () => {
  const { values } = parseArgs({ options: { ...CHAIN_OPTIONS, json: { type: "boolean", default: false } } });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const flags = chainFlags(values);
  const stopAsked = interrupted();
  if (values.json) {
    const chain = await startChain(flags);
    try {
      await chain.announceLeft();
      console.log(JSON.stringify(describe(chain)));
      await stopAsked;
    } finally {
      await chain.stop();
    }
    return;
  }
  const reporter = terminalReporter();
  const chain = await startChain(flags, reporter);
  try {
    reporter.line("");
    await unlessInterrupted((signal) => sendFirstMessage(chain, reporter, signal), stopAsked);
    const left = await chain.announceLeft();
    if (left > 0) reporter.line(`\nAnnounced again, from an earlier run: ${left}.`);
    reporter.line(instructions(chain));
    await stopAsked;
  } finally {
    await chain.stop();
  }
});
