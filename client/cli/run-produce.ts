import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, posix, relative, sep } from "node:path";
import { quote } from "../../common/quote";
import { NAME } from "../../functions/sign-url/fields";
import { isName, nameOf } from "../../functions/sign-url/keys";
import { formatBytes } from "../../stacks/format";
import { withWorkers } from "../produce/pool";
import { Producer } from "../produce/producer";
import type { ProgressReport } from "../produce/progress";
import { settingsOf } from "./configuration";
import { EXIT_CODES, UsageError, codeOfInterruption, interruptible } from "./exit";
import type { ProduceFlags } from "./produce";
import { sentenceOf } from "./sentence";
import { ProgressLine, printJson, printable, progressText } from "./terminal";

/** A payload to send. */
interface Item {
  readonly path: string;
  readonly name: string | undefined;
  /** In bytes; NaN of standard input, a pipe or a device, which can be read once only. */
  readonly size: number;
}

const STDIN = "-";

/** Sends what the command line names, several small files at once. All are looked at before the first is sent. */
export async function runProduce(files: readonly string[], flags: ProduceFlags): Promise<void> {
  const { apiUrl } = await settingsOf(flags as Record<string, unknown>, ["apiUrl"]);
  const items = (await Promise.all(files.map((file) => itemsAt(file, flags)))).flat();
  checkItems(items, flags);
  const { concurrency = 4, inlineThreshold, multipartThreshold, partSize } = flags;
  const producer = new Producer({
    apiUrl,
    // What only some stages ask for. A flag would show a key to whoever lists processes.
    apiKey: process.env["TWEEDLE_API_KEY"],
    credentials: async () => (await import("../sqs")).defaultCredentials(),
    concurrency,
    inlineThresholdBytes: inlineThreshold,
    multipartThresholdBytes: multipartThreshold,
    partSizeBytes: partSize,
  });
  const interrupted = interruptible();
  const shown = new Shown(items);
  const send = async (item: Item) => {
    try {
      await producer.produce(item.path === STDIN ? process.stdin : item.path, {
        name: item.name ?? (item.path === STDIN ? "stdin" : undefined),
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
      if (flags.json) printJson({ file: item.path, reason: sentence });
      if (!interrupted.aborted) console.error(printable(`${item.path}: ${sentence}`));
      process.exitCode = EXIT_CODES.failed;
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

/** @throws UsageError where there is nothing to send at a path */
async function itemsAt(path: string, { recursive, name }: ProduceFlags): Promise<Item[]> {
  if (path === STDIN) return [{ path, name, size: NaN }];
  let found;
  try {
    found = await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? `There is no file ${path}.` : `${path} cannot be read: ${code}.`;
    throw new UsageError(why, { cause: error });
  }
  if (!found.isDirectory()) return [{ path, name, size: found.isFile() ? found.size : NaN }];
  if (!recursive) throw new UsageError(`${path} is a folder. Send the files in it with -r.`);
  const items: Item[] = [];
  const called = basename(path);
  // As cp -r has it: a folder that has no name here gives what is in it.
  const prefix = [".", ".."].includes(called) ? "" : called;
  // Links are not followed: one may lead out of the folder, or back into it.
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(parentOf(entry), entry.name);
    const within = relative(path, file).split(sep).join(posix.sep);
    items.push({ path: file, name: name ?? posix.join(prefix, within), size: (await stat(file)).size });
  }
  return items.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Since Node 20.12 it is called parentPath. */
const parentOf = (entry: Dirent): string => entry.parentPath ?? (entry as unknown as { path: string }).path;

function checkItems(items: readonly Item[], { name, resume, expectedSize }: ProduceFlags): void {
  if (items.length === 0) throw new UsageError("There are no files to send.");
  if (name !== undefined && items.length > 1) {
    throw new UsageError("--name is for one payload, and there are several.");
  }
  if (items.filter(({ path }) => path === STDIN).length > 1) {
    throw new UsageError("Standard input can be sent once.");
  }
  const stream = items.find(({ size }) => Number.isNaN(size));
  if (resume && stream) {
    throw new UsageError(`--resume is for files: ${stream.path} cannot be read again.`);
  }
  if (expectedSize !== undefined && !stream) {
    throw new UsageError("--expected-size is for standard input: a file says its size itself.");
  }
  for (const item of items) {
    const called = item.name ?? basename(item.path);
    if (!isName(called)) {
      throw new UsageError(
        `${quote(called)} cannot be a payload's name: it must be ${NAME.mustBe}. Say another with --name.`,
      );
    }
  }
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
    if (this.items.length === 1 && only) return progressText(item.name ?? item.path, only, elapsedSeconds);
    const bytes = reports.reduce((sum, each) => sum + each.bytes, 0);
    const all = { bytes, totalBytes: this.#totalBytes };
    return progressText(`${this.items.length} files`, all, elapsedSeconds);
  }
}
