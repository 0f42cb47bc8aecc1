import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { quote } from "../../common/quote";
import { NAME } from "../../functions/sign-url/fields";
import { isName, nameOf } from "../../functions/sign-url/keys";
import { formatBytes } from "../../stacks/format";
import { TweedleError } from "../errors";
import { withWorkers } from "../produce/pool";
import { Producer } from "../produce/producer";
import type { ProgressReport } from "../produce/progress";
import { settingsOf } from "./configuration";
import { EXIT_CODES, UsageError, codeOfInterruption, interruptible } from "./exit";
import { type FoundFile, findFiles } from "./find-files";
import type { ProduceFlags } from "./produce";
import { sentenceOf } from "./sentence";
import { endingWith, outputOf } from "./shell";
import { ProgressLine, printJson, printable, progressText } from "./terminal";

/** A payload to send. */
interface Item {
  /** A file's path, "-" or a command, as the user gave it. */
  readonly path: string;
  readonly name: string;
  /** In bytes; NaN of what can be read once only. */
  readonly size: number;
  /** Opens its bytes, if they are not those of a file at the path. */
  readonly open: (() => Readable) | undefined;
}

const STDIN = "-";

/** Sends what the command line names, several small files at once. All are looked at before the first is sent. */
export async function runProduce(files: readonly string[], flags: ProduceFlags): Promise<void> {
  checkFlags(files, flags);
  const { apiUrl } = await settingsOf(flags as Record<string, unknown>, ["apiUrl"]);
  const items = await itemsOf(files, flags);
  checkItems(items, flags);
  const { concurrency = 4, inlineThreshold, multipartThreshold, partSize, retryFor } = flags;
  const producer = new Producer({
    apiUrl,
    // What only some stages ask for. A flag would show a key to whoever lists processes.
    apiKey: process.env["TWEEDLE_API_KEY"],
    credentials: async (options) => (await import("../sqs")).defaultCredentials(options),
    concurrency,
    inlineThresholdBytes: inlineThreshold,
    multipartThresholdBytes: multipartThreshold,
    partSizeBytes: partSize,
    ...(retryFor !== undefined && { retry: { maxDurationMs: retryFor * 1000 } }),
  });
  const interrupted = interruptible();
  const shown = new Shown(items);
  const send = async (item: Item) => {
    try {
      await producer.produce(item.open?.() ?? item.path, {
        name: item.name,
        contentType: flags.contentType,
        metadata: flags.metadata,
        resume: flags.resume,
        expectedSizeBytes: flags.expectedSize,
        signal: interrupted,
        onProgress: (report) => shown.progress(item, report),
        onProduced: (produced) => {
          shown.clear();
          if (flags.json) printJson({ file: item.path, name: nameOf(produced.key), ...produced });
          else console.log(`${formatBytes(produced.size).padStart(8)}  ${printable(produced.key)}`);
        },
      });
    } catch (error) {
      shown.clear();
      const sentence = sentenceOf(error);
      if (sentence === undefined) throw error;
      fail(item.path, sentence, { json: flags.json, quiet: interrupted.aborted });
    }
  };
  try {
    // Large ones go up in parts at once already; small ones wait for answers most of the time.
    await withWorkers(items.length > 1 ? concurrency : 1, items, send, interrupted);
  } catch (error) {
    if (!interrupted.aborted) throw error;
  } finally {
    shown.clear();
    producer.close();
    if (interrupted.aborted) {
      process.exitCode = codeOfInterruption();
      console.error(
        flags.resume
          ? "Interrupted. The same command goes on with files that go up in parts, within a day."
          : "Interrupted. An upload that was not finished leaves nothing in S3.",
      );
    }
  }
}

/** Reports that something is not sent. */
function fail(
  path: string,
  sentence: string,
  { json, quiet }: { readonly json?: boolean | undefined; readonly quiet?: boolean },
): void {
  if (json) printJson({ file: path, reason: sentence });
  if (!quiet) console.error(printable(sentence.startsWith(`${path} `) ? sentence : `${path}: ${sentence}`));
  process.exitCode = EXIT_CODES.failed;
}

/** @throws UsageError where the options do not go with each other */
function checkFlags(files: readonly string[], { recursive, followLinks, name, exec }: ProduceFlags): void {
  const mistakes: readonly (readonly [isMade: boolean, sentence: string])[] = [
    [
      (exec === undefined) === (files.length === 0),
      "Say what to send: files, - for standard input, or --exec COMMAND, and not both.",
    ],
    [files.filter((file) => file === STDIN).length > 1, "Standard input can be sent once."],
    [followLinks === true && !recursive, "--follow-links is for the links in folders: say -r, too."],
    [
      name !== undefined && !isName(name),
      `${quote(name)} cannot be a payload's name: it must be ${NAME.mustBe}. Say another with --name.`,
    ],
  ];
  refuse(mistakes);
}

/** @throws UsageError where the options do not go with what there is to send */
function checkItems(items: readonly Item[], { name, resume, expectedSize }: ProduceFlags): void {
  const stream = items.find(({ size }) => Number.isNaN(size));
  refuse([
    [name !== undefined && items.length > 1, "--name is for one payload, and there are several."],
    [Boolean(resume && stream), `--resume is for files: ${stream?.path} cannot be read again.`],
    [
      expectedSize !== undefined && !stream,
      "--expected-size is for standard input and --exec: a file says its size itself.",
    ],
  ]);
}

function refuse(mistakes: readonly (readonly [isMade: boolean, sentence: string])[]): void {
  const made = mistakes.find(([isMade]) => isMade);
  if (made) throw new UsageError(made[1]);
}

/**
 * Finds what is to be sent, and reports what cannot be.
 *
 * @throws TweedleError Invalid, where there is nothing
 */
async function itemsOf(files: readonly string[], flags: ProduceFlags): Promise<Item[]> {
  const { exec, name, allowEmpty, json } = flags;
  if (exec !== undefined)
    return [{ path: exec, name: name ?? "stdout", size: NaN, open: () => outputOf(exec) }];
  const unlessEmpty = (input: Readable) => (allowEmpty ? input : endingWith(input, refuseEmpty));
  const items: Item[] = [];
  let failures = 0;
  const report = (path: string, sentence: string) => {
    failures += 1;
    fail(path, sentence, { json });
  };
  const add = (found: FoundFile) => {
    const { path, size, isPipe } = found;
    const item = { path, name: name ?? found.name, size };
    if (isName(item.name))
      items.push({ ...item, open: isPipe ? () => unlessEmpty(createReadStream(path)) : undefined });
    else {
      const why = `${quote(item.name)} cannot be a payload's name: it must be ${NAME.mustBe}.`;
      report(path, `${why} Send it by itself, with --name.`);
    }
  };
  for (const file of files) {
    if (file === STDIN)
      items.push({ path: STDIN, name: name ?? "stdin", size: NaN, open: () => unlessEmpty(process.stdin) });
    else
      for await (const found of findFiles(file, flags)) {
        if ("reason" in found) report(found.path, `${found.reason}.`);
        else add(found);
      }
  }
  if (items.length + failures === 0) throw new TweedleError("Invalid", "There are no files to send.");
  return items;
}

/** Refuses an empty pipe: it does not tell whether the command that should have written into it has failed. */
function refuseEmpty(bytes: number): void {
  if (bytes > 0) return;
  throw new TweedleError(
    "Invalid",
    "It is empty, as after a command that failed. Say --allow-empty to send an empty payload, or --exec COMMAND to send what a command prints.",
  );
}

/** How far all payloads together are. */
class Shown {
  readonly #line = new ProgressLine();
  readonly #reports = new Map<Item, ProgressReport>();
  readonly #begunAt = performance.now();
  readonly #totalBytes: number | undefined;

  constructor(private readonly items: readonly Item[]) {
    const total = items.reduce((sum, { size }) => sum + size, 0);
    this.#totalBytes = Number.isNaN(total) ? undefined : total;
  }

  progress(item: Item, report: ProgressReport): void {
    this.#reports.set(item, report);
    this.#line.show((elapsed) => this.#text(item, elapsed), this.#begunAt);
  }

  clear(): void {
    this.#line.clear();
  }

  #text(item: Item, elapsedSeconds: number): string {
    const reports = [...this.#reports.values()];
    const [only] = reports;
    if (this.items.length === 1 && only) return progressText(item.name, only, elapsedSeconds);
    const sum = (of: (report: ProgressReport) => number) =>
      reports.reduce((total, each) => total + of(each), 0);
    const all = {
      bytes: sum(({ bytes }) => bytes),
      resumedBytes: sum(({ resumedBytes = 0 }) => resumedBytes),
      totalBytes: this.#totalBytes,
      waiting: this.#reports.get(item)?.waiting,
    };
    return progressText(`${this.items.length} files`, all, elapsedSeconds);
  }
}
