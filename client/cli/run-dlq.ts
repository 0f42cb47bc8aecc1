import type { S3Client } from "@aws-sdk/client-s3";
import { formatBytes } from "../../stacks/format";
import { Api, OtherBucketError } from "../api";
import { deleteObject } from "../consume/consumer";
import type { Announcement } from "../consume/contents";
import { type DeadLetter, DeadLetters, objectsOf, payloadExists } from "../dead-letters";
import { TweedleError, throwIfAborted } from "../errors";
import { regionOf } from "../region";
import { defaultCredentials, sqsClient } from "../sqs";
import { type Setting, settingsOf } from "./configuration";
import type { DlqFlags } from "./dlq";
import { UsageError, interruptible } from "./exit";
import { s3Client } from "./s3";
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

/** What is said of one letter. */
async function describe(letter: DeadLetter, s3: S3Client, bucketName: string) {
  const { contents, messageId, sentAt, receiveCount } = letter;
  const keys = objectsOf(letter).map(({ key }) => key);
  const inline =
    !(contents instanceof TweedleError) && contents.kind === "inline" ? contents.payload : undefined;
  return {
    message_id: messageId,
    receive_count: receiveCount,
    sent_at: sentAt.toISOString(),
    keys: inline ? [inline.key] : keys,
    inline: inline !== undefined,
    // Who may not list the bucket cannot know.
    size: inline?.bytes.length ?? null,
    payload_exists: (await payloadExists(letter, s3, bucketName).catch(() => undefined)) ?? null,
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
  return foreign ? `It names another bucket, ${foreign.bucket}.` : null;
}

const yesNo = (exists: boolean | null) => (exists === null ? "unknown" : exists ? "yes" : "no");

export async function runList(flags: DlqFlags): Promise<void> {
  const { letters, settings, signal } = await open(flags, ["deadLetterQueueUrl", "bucketName"]);
  const { limit = 1000, json } = flags;
  const s3 = s3Client(settings.deadLetterQueueUrl);
  try {
    const received = await letters.receive(limit);
    const described = [];
    for (const letter of received) {
      throwIfAborted(signal);
      described.push(await describe(letter, s3, settings.bucketName));
    }
    if (json) {
      for (const each of described) printJson(each);
    } else if (described.length === 0) {
      console.log("There are no dead letters.");
    } else {
      const rows = described.map(({ message_id, receive_count, sent_at, payload_exists, keys, problem }) => [
        message_id,
        String(receive_count),
        formatSeconds((Date.now() - Date.parse(sent_at)) / 1000),
        yesNo(payload_exists),
        printable([keys.join(", "), problem ?? ""].filter((text) => text !== "").join(": ")),
      ]);
      console.log(table(["message", "received", "age", "payload there", "what"], rows, [1, 2]));
      if (received.length === limit) console.log(`These are the first ${limit}; --limit shows more.`);
    }
  } finally {
    await letters.release();
  }
}

export async function runShow(id: string, flags: DlqFlags): Promise<void> {
  const { letters, settings } = await open(flags, ["deadLetterQueueUrl", "bucketName"]);
  try {
    const [letter] = choose(await letters.receive(flags.limit ?? 1000), [id]);
    if (!letter) return;
    const described = await describe(letter, s3Client(settings.deadLetterQueueUrl), settings.bucketName);
    if (flags.json) {
      printJson({ ...described, body: letter.body });
      return;
    }
    const { message_id, receive_count, sent_at, keys, size, payload_exists, problem } = described;
    const rows = [
      ["message", message_id],
      ["received", `${receive_count} times`],
      ["sent", `${sent_at}, ${formatSeconds((Date.now() - Date.parse(sent_at)) / 1000)} ago`],
      [
        "payload there",
        size === null ? yesNo(payload_exists) : `yes, ${formatBytes(size)} in the message itself`,
      ],
      ...keys.map((key) => ["key", printable(key)]),
      ...(problem === null ? [] : [["problem", printable(problem)]]),
    ];
    for (const [name = "", value = ""] of rows) console.log(`${name.padEnd(13)}  ${value}`);
    console.log(`\n${pretty(letter.body)}`);
  } finally {
    await letters.release();
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
    const line = new ProgressLine();
    const begunAt = performance.now();
    try {
      const moved = await letters.redriveAll((done, of) =>
        line.show(() => `Sending back: ${done} of about ${of}`, begunAt),
      );
      line.clear();
      report(flags, "redriven", moved, "Sent back");
    } finally {
      line.clear();
    }
    return;
  }
  try {
    const chosen = choose(await letters.receive(flags.limit ?? 1000), ids);
    for (const letter of chosen) {
      throwIfAborted(signal);
      await letters.redrive(letter);
    }
    report(flags, "redriven", chosen.length, "Sent back");
  } finally {
    await letters.release();
  }
}

export async function runDrop(ids: readonly string[], flags: DlqFlags): Promise<void> {
  const { letters, settings, signal } = await open(flags, ["deadLetterQueueUrl", "apiUrl"]);
  const region = regionOf(new URL(settings.deadLetterQueueUrl).hostname);
  const api = new Api({ apiUrl: settings.apiUrl, region, credentials: defaultCredentials });
  try {
    const chosen = choose(await letters.receive(flags.limit ?? 1000), ids);
    for (const letter of chosen) {
      throwIfAborted(signal);
      // The payload first: without it the letter still says what there was.
      if (!flags.keep) for (const object of objectsOf(letter)) await deleteOwn(api, object);
      await letters.drop(letter);
    }
    report(flags, "dropped", chosen.length, "Dropped");
  } finally {
    await letters.release();
    api.close();
  }
}

/** Deletes what a letter announces. In another bucket it is somebody else's, and is no reason to keep the letter. */
async function deleteOwn(api: Api, object: Announcement): Promise<void> {
  try {
    await deleteObject(api, object, {});
  } catch (error) {
    if (!(error instanceof OtherBucketError)) throw error;
    console.error(printable(`${object.key} is in another bucket, ${object.bucket}, and was left there.`));
  }
}

function report({ json }: DlqFlags, what: string, count: number, sentence: string): void {
  if (json) printJson({ [what]: count });
  else console.log(`${sentence}: ${count}.`);
}

/** @throws TweedleError Gone, where an id is no letter's; UsageError, where it begins several letters' */
function choose(letters: readonly DeadLetter[], ids: readonly string[]): DeadLetter[] {
  const chosen = ids.map((id) => {
    const fits = letters.filter(({ messageId }) => messageId.startsWith(id));
    const [letter] = fits;
    if (letter && fits.length === 1) return letter;
    if (letter) throw new UsageError(`Several letters' ids begin with ${id}.`);
    throw new TweedleError("Gone", `There is no dead letter ${id}.`);
  });
  return [...new Set(chosen)];
}
