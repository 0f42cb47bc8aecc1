import type { S3Client } from "@aws-sdk/client-s3";
import { quote } from "../../common/quote";
import { formatBytes } from "../../stacks/format";
import { Api, OtherBucketError } from "../api";
import { deleteObject } from "../consume/consumer";
import type { Announcement } from "../consume/contents";
import { type DeadLetter, DeadLetters, LOOK_SECONDS, findPayloads, objectsOf } from "../dead-letters";
import { TweedleError, throwIfAborted } from "../errors";
import { regionOf } from "../region";
import { defaultCredentials, sqsClient } from "../sqs";
import { type Setting, settingsOf } from "./configuration";
import type { DlqFlags } from "./dlq";
import { EXIT_CODES, UsageError, interruptible } from "./exit";
import { s3Client } from "./s3";
import { sentenceOf } from "./sentence";
import { ProgressLine, formatSeconds, printJson, printable, printableLines, table } from "./terminal";

/** The clients of one command, and what they lead to. */
async function open<Needed extends Setting>(flags: DlqFlags, needed: readonly Needed[]) {
  const settings = await settingsOf(flags as Record<string, unknown>, needed);
  const { deadLetterQueueUrl = "", queueUrl = "" } = settings as Partial<Record<Setting, string>>;
  const sqs = sqsClient(deadLetterQueueUrl);
  const signal = interruptible();
  const letters = new DeadLetters({ sqs, deadLetterQueueUrl, queueUrl, signal });
  return { settings, letters, signal };
}

/** Shows the letters to others again, whatever a command made of them. Where that fails, they do so by themselves. */
async function release(letters: DeadLetters): Promise<void> {
  try {
    await letters.release();
  } catch (error) {
    const why = printable(sentenceOf(error) ?? String(error));
    console.error(`Warning: the dead letters stay hidden for ${LOOK_SECONDS} s: ${why}`);
  }
}

/**
 * Says how many dead letters are in flight; undefined where none is. They are hidden because another command, or a
 * consumer, has received them.
 */
async function inFlight(letters: DeadLetters): Promise<string | undefined> {
  // A reader without the right to the queue's attributes can do without.
  const count = await letters.count().then(
    (counts) => counts.inFlight,
    () => 0,
  );
  if (count === 0) return undefined;
  const what = count === 1 ? "1 dead letter is" : `${count} dead letters are`;
  return `${what} in flight, and hidden from this command: try again in ${LOOK_SECONDS} s.`;
}

const inlineOf = ({ contents }: DeadLetter) =>
  contents instanceof TweedleError || contents.kind !== "inline" ? undefined : contents.payload;

/** Describes a letter as --json has it. */
async function describe(letter: DeadLetter, s3: S3Client, bucketName: string) {
  const { messageId, sentAt, receiveCount } = letter;
  const inline = inlineOf(letter);
  const { exists = null, size = null } = await findPayloads(letter, s3, bucketName);
  return {
    message_id: messageId,
    receive_count: receiveCount,
    sent_at: sentAt.toISOString(),
    keys: inline ? [inline.key] : objectsOf(letter).map(({ key }) => key),
    inline: inline !== undefined,
    size,
    payload_exists: exists,
    problem: problemOf(letter, bucketName),
  };
}

function problemOf(letter: DeadLetter, bucketName: string): string | null {
  const { contents } = letter;
  if (contents instanceof TweedleError) return contents.message;
  if (contents.kind !== "objects") return null;
  const unreadable = contents.objects.find((object) => object instanceof TweedleError);
  if (unreadable) return unreadable.message;
  const foreign = objectsOf(letter).find(({ bucket }) => bucket !== bucketName);
  return foreign ? `It names another bucket, ${quote(foreign.bucket)}.` : null;
}

const yesNo = (exists: boolean | null) => (exists === null ? "unknown" : exists ? "yes" : "no");

const sizeText = (size: number | null) => (size === null ? "unknown" : formatBytes(size));
const ageOf = (sentAt: string) => formatSeconds((Date.now() - Date.parse(sentAt)) / 1000);

export async function runList(flags: DlqFlags): Promise<void> {
  const { letters, settings, signal } = await open(flags, ["deadLetterQueueUrl", "bucketName"]);
  const { limit = 1000, json } = flags;
  const s3 = s3Client(settings.deadLetterQueueUrl);
  try {
    const received = await letters.receive(limit);
    const hidden = received.length === limit ? undefined : await inFlight(letters);
    const described = [];
    for (const letter of received) {
      throwIfAborted(signal);
      described.push(await describe(letter, s3, settings.bucketName));
    }
    if (json) for (const each of described) printJson(each);
    else if (described.length > 0) printTable(described);
    else if (hidden === undefined) console.log("There are no dead letters.");
    if (received.length === limit) console.error(`These are the first ${limit}; --limit shows more.`);
    if (hidden !== undefined) console.error(hidden);
    if (hidden !== undefined && received.length === 0) process.exitCode = EXIT_CODES.failed;
  } finally {
    await release(letters);
  }
}

function printTable(described: readonly Awaited<ReturnType<typeof describe>>[]): void {
  const rows = described.map(
    ({ message_id, receive_count, sent_at, size, payload_exists, keys, problem }) => [
      message_id,
      String(receive_count),
      ageOf(sent_at),
      sizeText(size),
      yesNo(payload_exists),
      printable([keys.join(", "), problem ?? ""].filter((text) => text !== "").join(": ")),
    ],
  );
  const head = ["message", "received", "age", "size", "payload there", "what"];
  console.log(table(head, rows, [1, 2, 3]));
}

export async function runShow(id: string, flags: DlqFlags): Promise<void> {
  const { letters, settings } = await open(flags, ["deadLetterQueueUrl", "bucketName"]);
  try {
    const [letter] = await choose(letters, [id], flags);
    if (!letter) return;
    const described = await describe(letter, s3Client(settings.deadLetterQueueUrl), settings.bucketName);
    if (flags.json) {
      printJson({ ...described, body: letter.body });
      return;
    }
    const { message_id, receive_count, sent_at, keys, size, inline, payload_exists, problem } = described;
    const rows = [
      ["message", message_id],
      ["received", receive_count === 1 ? "once" : `${receive_count} times`],
      ["sent", `${sent_at}, ${ageOf(sent_at)} ago`],
      ["size", sizeText(size)],
      ["payload there", inline ? "yes, in the message itself" : yesNo(payload_exists)],
      ...keys.map((key) => ["key", printable(key)]),
      ...(problem === null ? [] : [["problem", printable(problem)]]),
    ];
    for (const [name = "", value = ""] of rows) console.log(`${name.padEnd(13)}  ${value}`);
    console.log(`\n${pretty(letter.body)}`);
  } finally {
    await release(letters);
  }
}

/** Indented where it is JSON. A line of it cannot pass for one of ours: text without such a form stays one line. */
function pretty(body: string): string {
  let text = body;
  try {
    text = JSON.stringify(JSON.parse(body), undefined, 2);
  } catch {
    return printable(body);
  }
  return printableLines(text);
}

export async function runRedrive(ids: readonly string[], flags: DlqFlags): Promise<void> {
  if (Boolean(flags.all) === ids.length > 0) {
    throw new UsageError("Say which letters to send back: their ids, or --all.");
  }
  const { letters, signal } = await open(flags, ["deadLetterQueueUrl", "queueUrl"]);
  if (flags.all) {
    await redriveAll(letters, flags);
    return;
  }
  try {
    const chosen = await choose(letters, ids, flags);
    for (const letter of chosen) {
      throwIfAborted(signal);
      await letters.redrive(letter);
    }
    report(flags, "redriven", chosen.length, "Sent back");
  } finally {
    await release(letters);
  }
}

async function redriveAll(letters: DeadLetters, flags: DlqFlags): Promise<void> {
  const line = new ProgressLine();
  const begunAt = performance.now();
  try {
    const moved = await letters.redriveAll((done, of) =>
      line.show(() => `Sending back: ${done} of about ${of}`, begunAt),
    );
    line.clear();
    report(flags, "redriven", moved, "Sent back");
    const { visible } = await letters.count();
    const none =
      moved === 0 && visible > 0 ? `SQS has moved none of about ${visible}: try again.` : undefined;
    const left = (await inFlight(letters)) ?? none;
    if (left === undefined) return;
    console.error(left);
    process.exitCode = EXIT_CODES.failed;
  } finally {
    line.clear();
    await release(letters);
  }
}

export async function runDrop(ids: readonly string[], flags: DlqFlags): Promise<void> {
  const { letters, settings, signal } = await open(flags, ["deadLetterQueueUrl", "apiUrl"]);
  const region = regionOf(new URL(settings.deadLetterQueueUrl).hostname);
  const api = new Api({ apiUrl: settings.apiUrl, region, credentials: defaultCredentials });
  try {
    const chosen = await choose(letters, ids, flags);
    for (const letter of chosen) {
      throwIfAborted(signal);
      // The payload first: without it the letter still says what there was.
      if (!flags.keep) for (const object of objectsOf(letter)) await deleteOwn(api, object);
      await letters.drop(letter);
    }
    report(flags, "dropped", chosen.length, "Dropped");
  } finally {
    await release(letters);
    api.close();
  }
}

/** Deletes what a letter announces. In another bucket it is somebody else's, and is no reason to keep the letter. */
async function deleteOwn(api: Api, object: Announcement): Promise<void> {
  try {
    await deleteObject(api, object, {});
  } catch (error) {
    if (!(error instanceof OtherBucketError)) throw error;
    console.error(
      printable(`${object.key} is in another bucket, ${quote(object.bucket)}, and was left there.`),
    );
  }
}

function report({ json }: DlqFlags, what: string, count: number, sentence: string): void {
  if (json) printJson({ [what]: count });
  else console.log(`${sentence}: ${count}.`);
}

/**
 * Receives letters, and finds those that are asked for.
 *
 * @throws TweedleError Gone, where an id is no letter's; Unavailable, where it may be that of one in flight; UsageError,
 *   where it begins several letters'
 */
async function choose(
  letters: DeadLetters,
  ids: readonly string[],
  { limit = 1000 }: DlqFlags,
): Promise<DeadLetter[]> {
  const received = await letters.receive(limit);
  const chosen: DeadLetter[] = [];
  for (const id of ids) {
    const [letter, ...others] = received.filter(({ messageId }) => messageId.startsWith(id));
    if (others.length > 0) throw new UsageError(`Several letters' ids begin with ${quote(id)}.`);
    if (!letter) throw await missing(letters, id, received.length === limit ? limit : undefined);
    chosen.push(letter);
  }
  return [...new Set(chosen)];
}

async function missing(letters: DeadLetters, id: string, limit: number | undefined): Promise<TweedleError> {
  if (limit !== undefined) {
    const sentence = `${quote(id)} is not among the first ${limit} dead letters: --limit looks at more.`;
    return new TweedleError("Gone", sentence);
  }
  const hidden = await inFlight(letters);
  return hidden === undefined
    ? new TweedleError("Gone", `There is no dead letter ${quote(id)}.`)
    : new TweedleError("Unavailable", `There is no dead letter ${quote(id)} to be seen. ${hidden}`);
}
