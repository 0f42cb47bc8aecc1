import { constants, accessSync, statSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { NAME } from "../functions/sign-url/fields";
import { isName } from "../functions/sign-url/keys";
import {
  OptionError,
  chainHelp,
  CHAIN_OPTIONS,
  chainFlags,
  interrupted,
  run,
  startChain,
  terminalReporter,
  unlessInterrupted,
} from "./command";
import { deliver } from "./deliver";
import { StartError } from "./server";

const HELP = `Usage: npm run demo -- [options] FILE…

Sends your files through the whole chain on this machine. Exits with 0 if all arrived as they were sent.

${chainHelp(0)}`;

void run(async () => {
  const { values, positionals } = parseArgs({
    options: { ...CHAIN_OPTIONS, port: { type: "string", default: "0" } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (positionals.length === 0) throw new OptionError("Name a file: npm run demo -- FILE…");
  for (const path of positionals) assertReadable(path);
  const stopAsked = interrupted();
  const reporter = terminalReporter();
  const chain = await startChain(chainFlags(values), reporter);
  try {
    for (const path of positionals) {
      reporter.line("");
      const isReceived = await unlessInterrupted(
        (signal) => deliver(chain, path, reporter, signal),
        stopAsked,
      );
      if (!isReceived) process.exitCode = 1;
    }
  } finally {
    await chain.stop();
  }
});

function assertReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new StartError(missing ? `There is no file ${path}.` : `${path} may not be read.`, {
      cause: error,
    });
  }
  if (!statSync(path).isFile()) throw new StartError(`${path} is not a file.`);
  if (!isName(basename(path)))
    throw new StartError(`${JSON.stringify(path)}: its name must be ${NAME.mustBe}.`);
}
