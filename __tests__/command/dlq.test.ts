import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  ChangeMessageVisibilityCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { LACKS, type LimitedSqs, startLimitedSqs } from "../client/limited-sqs";
import { type Ended, commandTools, linesOf, sha256 } from "./tools";

const { folder, chain, tweedle } = commandTools();
const MIB = 1024 ** 2;
/** What moves the cursor, hides text, or shows another: nobody's terminal may get these. */
const RAW = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
const EVIL = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202etxt.exe\u2028\r";
/** SQS takes no other control characters in a message than these, unless JSON escapes them. */
const SENDABLE = EVIL.replaceAll("\u001b", "").replaceAll("\u0007", "");

interface Letter {
  readonly message_id: string;
  readonly receive_count: number;
  readonly sent_at: string;
  readonly keys: readonly string[];
  readonly inline: boolean;
  readonly size: number | null;
  readonly payload_exists: boolean | null;
  readonly problem: string | null;
  readonly body?: string;
}

async function run(...args: string[]) {
  const ended = await tweedle(args).ended;
  expect(ended.stdout + ended.stderr).not.toMatch(RAW);
  return ended;
}
const list = async () => linesOf((await run("dlq", "list", "--json")).stdout) as unknown as Letter[];

async function produce(name: string, bytes: string | Buffer): Promise<string> {
  const { stdout } = await tweedle(["produce", "-", "--name", name, "--json"], { input: bytes }).ended;
  return linesOf(stdout)[0]?.key ?? "";
}

/** Makes dead letters of what is on the queue, as consumers do that fail. */
async function fail(count: number): Promise<void> {
  const args = ["--exec", "false", "--retry-delay", "0s", "--max", String(count * 5)];
  expect((await run("consume", ...args)).code).toBe(1);
  // SQS moves a message when it would be received once more.
  await chain().sqs.send(new ReceiveMessageCommand({ QueueUrl: chain().queueUrl, WaitTimeSeconds: 1 }));
  expect(await chain().count(chain().deadLetterQueueUrl)).toBe(count);
}

const poison = (MessageBody: string, QueueUrl = chain().queueUrl) =>
  chain().sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
/** A letter that nobody had to fail for. */
const unfailed = (body: unknown) =>
  poison(typeof body === "string" ? body : JSON.stringify(body), chain().deadLetterQueueUrl);
const recordOf = (name: string, key: string) => ({
  eventName: "ObjectCreated:Put",
  s3: { bucket: { name }, object: { key: encodeURIComponent(key) } },
});

async function consumed(count: number) {
  const args = ["consume", "--out", join(folder, "received"), "--max", String(count), "--json"];
  const { code, stdout } = await run(...args);
  expect(code).toBe(0);
  return linesOf(stdout).filter(({ event }) => event === "handled");
}

beforeEach(() => chain().empty());

test("an empty queue has nothing to list, to send back or to show", async () => {
  expect((await run("dlq", "list")).stdout).toBe("There are no dead letters.\n");
  expect((await run("dlq", "list", "--json")).stdout).toBe("");
  expect((await run("dlq", "redrive", "--all")).stdout).toBe("Sent back: 0.\n");
  const each = ["show", "redrive", "drop"].map((subcommand) => run("dlq", subcommand, "abc"));
  for (const { code, stderr } of await Promise.all(each)) {
    expect([code, stderr]).toEqual([1, 'tweedle: There is no dead letter "abc".\n']);
  }
});

test("letters that are inline keep their bytes when they are sent back", async () => {
  const bytes = Buffer.from([0, 255, 128, 10, 13, 27]);
  const key = await produce("inline.bin", bytes);
  await fail(1);
  const [letter] = await list();
  expect(letter).toMatchObject({ keys: [key], inline: true, size: 6, payload_exists: true, problem: null });
  const { code, stdout } = await run("dlq", "redrive", letter?.message_id ?? "");
  expect([code, stdout]).toEqual([0, "Sent back: 1.\n"]);
  const [line] = await consumed(1);
  expect(sha256(readFileSync(line?.path ?? ""))).toBe(sha256(bytes));
  expect(await list()).toEqual([]);
});

test("list says how often, how old, and whether the payload is there; show shows one", async () => {
  const key = await produce("there.bin", Buffer.alloc(MIB));
  await poison("no JSON");
  const gone = key.replace(/[0-9a-f]{8}-/, "00000000-");
  await poison(
    JSON.stringify({
      Records: [
        {
          eventName: "ObjectCreated:Put",
          s3: { bucket: { name: chain().bucketName }, object: { key: gone } },
        },
      ],
    }),
  );
  await fail(3);
  const letters = await list();
  const byKey = (wanted: string | undefined) => letters.find(({ keys }) => keys[0] === wanted);
  expect(letters).toHaveLength(3);
  expect(byKey(key)).toMatchObject({ inline: false, size: MIB, payload_exists: true, problem: null });
  expect(byKey(gone)).toMatchObject({ payload_exists: false });
  expect(byKey(undefined)).toMatchObject({ payload_exists: null, problem: "The message is not JSON." });
  // SQS counts on in the dead-letter queue: no look is one of these.
  expect(letters.map(({ receive_count }) => receive_count)).toEqual([5, 5, 5]);
  expect((await list()).map(({ receive_count }) => receive_count)).toEqual([5, 5, 5]);

  // Looking hides nothing for longer than it looks.
  const table = (await run("dlq", "list")).stdout;
  expect(table).toMatch(/^message +received +age +size +payload there +what\n/);
  expect(table).toMatch(new RegExp(` 5 +\\d+ s +1\\.0 MB +yes +${key}\n`));
  expect(table).toMatch(new RegExp(`\\d s +unknown +no +${gone}\n`));
  expect(table).toMatch(/\d s +unknown +unknown +The message is not JSON\.\n/);

  const shown = (await run("dlq", "show", byKey(key)?.message_id.slice(0, 13) ?? "")).stdout;
  expect(shown).toContain(`message        ${byKey(key)?.message_id}\n`);
  expect(shown).toContain("received       5 times\n");
  expect(shown).toContain("size           1.0 MB\npayload there  yes\n");
  expect(shown).toContain('\n{\n  "Records": [\n    {\n');
  const { stdout } = await run("dlq", "show", byKey(undefined)?.message_id ?? "", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ body: "no JSON" });
  expect((await run("dlq", "list", "--limit", "2")).stderr).toBe(
    "These are the first 2; --limit shows more.\n",
  );
  const missing = await run("dlq", "show", "nonsense", "--limit", "2");
  expect([missing.code, missing.stderr]).toEqual([
    1,
    'tweedle: "nonsense" is not among the first 2 dead letters: --limit looks at more.\n',
  ]);
});

test("letters in flight are counted, and nothing is taken for none", async () => {
  for (const body of ["a", "b"]) await unfailed(body);
  const QueueUrl = chain().deadLetterQueueUrl;
  const looked = await chain().sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 60 }),
  );
  const hidden = "2 dead letters are in flight, and hidden from this command: try again in 120 s.\n";
  for (const json of [[], ["--json"]]) {
    const listed = await run("dlq", "list", ...json);
    expect([listed.code, listed.stdout, listed.stderr]).toEqual([1, "", hidden]);
  }
  for (const subcommand of ["show", "redrive", "drop"]) {
    const { code, stdout, stderr } = await run("dlq", subcommand, "abc");
    const sentence = `tweedle: There is no dead letter "abc" to be seen. ${hidden}`;
    expect([code, stdout, stderr]).toEqual([1, "", sentence]);
  }
  await unfailed("c");
  const listed = await run("dlq", "list");
  expect([listed.code, listed.stdout.split("\n").length, listed.stderr]).toEqual([0, 3, hidden]);
  const all = await run("dlq", "redrive", "--all");
  expect([all.code, all.stdout, all.stderr]).toEqual([1, "Sent back: 1.\n", hidden]);
  const none = await run("dlq", "redrive", "--all", "--json");
  expect([none.code, none.stdout, none.stderr]).toEqual([1, '{"redriven":0}\n', hidden]);
  for (const { ReceiptHandle } of looked.Messages ?? [])
    await chain().sqs.send(
      new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
    );
  expect((await run("dlq", "list")).stderr).toBe("");
});

describe("with an SQS that does less", () => {
  let engine: LimitedSqs;
  let dlq: (...args: string[]) => Promise<Ended>;
  beforeAll(async () => {
    engine = await startLimitedSqs(new URL(chain().queueUrl).origin);
    const [queue = "", dead = ""] = [chain().queueUrl, chain().deadLetterQueueUrl].map(
      (url) => engine.endpoint + new URL(url).pathname,
    );
    dlq = (...args) =>
      run(
        "dlq",
        ...args,
        "--dead-letter-queue-url",
        dead,
        ...(args[0] === "redrive" ? ["--queue-url", queue] : []),
      );
  });
  afterAll(() => engine.stop());

  test("letters that cannot be shown again are a warning, and what was done counts", async () => {
    await unfailed("a");
    const denied = [
      403,
      '{"__type":"com.amazon.coral.service#AccessDeniedException","message":"Not you."}',
    ] as const;
    engine.answers = { ChangeMessageVisibilityBatch: denied };
    const { code, stdout, stderr } = await dlq("list", "--json");
    expect([code, linesOf(stdout).length]).toEqual([0, 1]);
    expect(stderr).toBe("Warning: the dead letters stay hidden for 120 s: Not you.\n");
    // As whoever looks next is told.
    const next = await dlq("list");
    expect([next.code, next.stderr]).toEqual([
      1,
      expect.stringMatching(/^1 dead letter is in flight, and hidden/),
    ]);
  });

  test.each(Object.entries(LACKS))(
    "letters are sent back and shown again as far as %s can",
    async (_, lack) => {
      for (const body of ["a", "b", "c"]) await unfailed(body);
      engine.answers = { StartMessageMoveTask: lack, ChangeMessageVisibilityBatch: lack };
      const listed = await dlq("list", "--json");
      expect([listed.code, linesOf(listed.stdout).length, listed.stderr]).toEqual([0, 3, ""]);
      const { code, stdout, stderr } = await dlq("redrive", "--all");
      expect([code, stdout, stderr]).toEqual([0, "Sent back: 3.\n", ""]);
      expect(await chain().count(chain().queueUrl)).toBe(3);
    },
  );

  test("a task that moves nothing is no success", async () => {
    await unfailed("a");
    const task = { Status: "COMPLETED", ApproximateNumberOfMessagesMoved: 0 };
    engine.answers = {
      StartMessageMoveTask: [200, "{}"],
      ListMessageMoveTasks: [200, JSON.stringify({ Results: [task] })],
    };
    const { code, stdout, stderr } = await dlq("redrive", "--all");
    const sentence = "SQS has moved none of about 1: try again.\n";
    expect([code, stdout, stderr]).toEqual([1, "Sent back: 0.\n", sentence]);
  });

  test("a server that is not SQS is told of in a sentence", async () => {
    engine.answers = { ReceiveMessage: [502, "<html>Bad Gateway</html>"] };
    const { code, stderr } = await dlq("list");
    const sentence = "The response is not SQS's (HTTP 502, no JSON): look at the queue's URL.";
    expect([code, stderr]).toEqual([1, `tweedle: ${sentence}\n`]);
  });
});

test("who may not list the bucket is told that nobody knows", async () => {
  await produce("unknown.bin", Buffer.alloc(MIB));
  await fail(1);
  const { stdout } = await tweedle(["dlq", "list", "--json", "--bucket-name", "no-such-bucket"]).ended;
  expect(linesOf(stdout)).toMatchObject([{ keys: [expect.stringContaining("unknown.bin") as string] }]);
  const { stdout: without } = await tweedle(["dlq", "list", "--json"], {
    env: { AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9" },
  }).ended;
  expect(linesOf(without)).toMatchObject([{ payload_exists: null }]);
});

test("nothing of a letter reaches the terminal raw, and JSON loses nothing", async () => {
  await poison(`${SENDABLE} no JSON`);
  await poison(JSON.stringify({ [EVIL]: EVIL }));
  await poison(
    JSON.stringify({
      Records: [
        {
          eventName: "ObjectCreated:Put",
          s3: { bucket: { name: EVIL }, object: { key: encodeURIComponent(`input/${EVIL}`) } },
        },
      ],
    }),
  );
  // run() looks at each for what may not be there, and at what a consumer says of them.
  await fail(3);
  expect((await run("dlq", "list")).code).toBe(0);
  const letters = await list();
  expect(letters).toHaveLength(3);
  for (const { message_id } of letters) expect((await run("dlq", "show", message_id)).code).toBe(0);
  const unreadable = letters.find(({ problem }) => problem === "The message is not JSON.");
  const { stdout } = await run("dlq", "show", unreadable?.message_id ?? "", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ body: `${SENDABLE} no JSON` });
});

test("several letters go back by the beginnings of their ids; one that fits two does nothing", async () => {
  for (const name of ["a.txt", "b.txt", "c.txt"]) await produce(name, name);
  await fail(3);
  const letters = await list();
  const ids = letters.map(({ message_id }) => message_id);
  const ambiguous = await run("dlq", "redrive", "");
  expect([ambiguous.code, ambiguous.stderr]).toEqual([2, 'tweedle: Several letters\' ids begin with "".\n']);
  const [first = "", second = "", third = ""] = ids;
  const unknown = await run("dlq", "redrive", first, "nonsense");
  expect([unknown.code, unknown.stderr]).toEqual([1, 'tweedle: There is no dead letter "nonsense".\n']);
  expect(await list()).toHaveLength(3);
  const { stdout } = await run("dlq", "redrive", first.slice(0, 18), second, second, "--json");
  expect(JSON.parse(stdout)).toEqual({ redriven: 2 });
  expect((await list()).map(({ message_id }) => message_id)).toEqual([third]);
  expect(await consumed(2)).toHaveLength(2);
});

test("--all is moved by SQS itself", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `all-${index}.txt`);
  for (const name of names) await produce(name, name);
  await fail(12);
  const { code, stdout, stderr } = await run("dlq", "redrive", "--all");
  expect([code, stdout, stderr]).toEqual([0, "Sent back: 12.\n", ""]);
  expect(new Set((await consumed(12)).map(({ name }) => name))).toEqual(new Set(names));
  expect(await list()).toEqual([]);
});

test("drop deletes letters and their payloads; --keep leaves these for reconcile", async () => {
  const dropped = await produce("dropped.bin", Buffer.alloc(MIB));
  const kept = await produce("kept.bin", Buffer.alloc(MIB));
  await fail(2);
  const letters = await list();
  const idOf = (key: string) => letters.find(({ keys }) => keys[0] === key)?.message_id ?? "";
  const others = chain()
    .keys()
    .filter((key) => key !== dropped && key !== kept);
  expect(JSON.parse((await run("dlq", "drop", idOf(dropped), "--json")).stdout)).toEqual({ dropped: 1 });
  expect(chain().keys()).toEqual([...others, kept].toSorted());
  expect((await run("dlq", "drop", idOf(kept), "--keep")).stdout).toBe("Dropped: 1.\n");
  expect(chain().keys()).toEqual([...others, kept].toSorted());
  expect(await list()).toEqual([]);
});

test("drop leaves what lies in another bucket, and does not take ours for it", async () => {
  const precious = await produce("precious.bin", Buffer.alloc(MIB));
  const own = await produce("own.bin", Buffer.alloc(MIB));
  await chain().empty();
  await unfailed({ Records: [recordOf("somebody-elses", precious), recordOf(chain().bucketName, own)] });
  const [listed] = await list();
  const { code, stdout, stderr } = await run("dlq", "drop", listed?.message_id ?? "", "--json");
  expect([code, JSON.parse(stdout)]).toEqual([0, { dropped: 1 }]);
  expect(stderr).toBe(`${precious} is in another bucket, "somebody-elses", and was left there.\n`);
  expect(chain().keys()).toContain(precious);
  expect(chain().keys()).not.toContain(own);
  expect(await list()).toEqual([]);
});

test("a payload that S3 does not let go of is one line, and the letter stays", async () => {
  const s3 = createServer((_, response) => {
    response
      .writeHead(403)
      .end("<Error><Code>AccessDenied</Code><Message>No\u001b[31m&#27;[2J</Message></Error>");
  }).listen(0);
  await once(s3, "listening");
  const url = `http://127.0.0.1:${(s3.address() as AddressInfo).port}/bucket/key`;
  const api = createServer((_, response) => {
    response.end(JSON.stringify({ action: "deleteObject", method: "DELETE", url, headers: {} }));
  }).listen(0);
  await once(api, "listening");
  await unfailed({ Records: [recordOf("bucket", "input/0b9c1d3e-5b0c-4a1f-8a53-1c9b2e6f7a10/a")] });
  const [listed] = await list();
  try {
    const where = ["--api-url", `http://127.0.0.1:${(api.address() as AddressInfo).port}`];
    const { code, stdout, stderr } = await run("dlq", "drop", listed?.message_id ?? "", ...where);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^tweedle: The server refused it with 403 AccessDenied: No\\u001b\[31m[^\n]*\n$/);
  } finally {
    s3.close();
    api.close();
  }
  expect(await list()).toHaveLength(1);
});

test("nobody is asked about a bucket that only a letter names", async () => {
  const asked: (string | undefined)[] = [];
  const spy = createServer(({ url }, response) => {
    asked.push(url);
    response.end("<ListBucketResult></ListBucketResult>");
  }).listen(0);
  await once(spy, "listening");
  const env = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(spy.address() as AddressInfo).port}` };
  const key = "input/0b9c1d3e-5b0c-4a1f-8a53-1c9b2e6f7a10/a";
  const problem = 'It names another bucket, "attackers-bucket".';
  await unfailed({ Records: [recordOf("attackers-bucket", key)] });
  try {
    const { stdout } = await tweedle(["dlq", "list", "--json"], { env }).ended;
    expect(linesOf(stdout)).toMatchObject([{ keys: [key], payload_exists: null, problem }]);
    const table = await tweedle(["dlq", "list"], { env }).ended;
    expect(table.stdout).toContain(`unknown        ${key}: ${problem}\n`);
    const id = linesOf(stdout)[0]?.message_id ?? "";
    expect((await tweedle(["dlq", "show", id], { env }).ended).stdout).toContain(
      `problem        ${problem}\n`,
    );
  } finally {
    spy.close();
  }
  expect(asked).toEqual([]);
});

test("a letter that nobody can read does not hide the others, and consumers give it up at once", async () => {
  const bodies = [
    '[{"toString":1},{}]',
    '{"source":"tweedle","size":{"toString":1}}',
    "[".repeat(50_000) + "]".repeat(50_000),
  ];
  for (const body of [...bodies, "no JSON"]) await unfailed(body);
  const letters = await list();
  expect(letters).toHaveLength(4);
  for (const { message_id, problem } of letters) {
    expect(problem).toMatch(/^(The message|Unrecognised message)/);
    expect((await run("dlq", "show", message_id)).code).toBe(0);
  }
  await chain().empty();
  for (const body of bodies) await poison(body);
  const { stdout } = await run("consume", "--exec", "cat", "--max", "3", "--json");
  expect(linesOf(stdout)).toMatchObject(bodies.map(() => ({ event: "failed", permanent: true })));
});

test("Ctrl-C while letters are looked at shows them to others again", async () => {
  await produce("looked-at.txt", "x");
  await fail(1);
  const [letter] = await list();
  const { child, ended } = tweedle(["dlq", "list"]);
  const isHidden = async () => {
    const { Attributes } = await chain().sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: chain().deadLetterQueueUrl,
        AttributeNames: ["ApproximateNumberOfMessagesNotVisible"],
      }),
    );
    return Attributes?.ApproximateNumberOfMessagesNotVisible === "1";
  };
  while (!(await isHidden()));
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 130, stdout: "", stderr: "tweedle: Interrupted.\n" });
  expect((await list()).map(({ message_id }) => message_id)).toEqual([letter?.message_id]);
});

describe("reconcile", () => {
  test("lists what nobody was told of, announces it when asked, and it is consumed once", async () => {
    for (const key of chain().keys()) {
      const args = ["consume", "--out", join(folder, "left"), "--max", "1"];
      await run("reconcile", "--older-than", "0s", "--announce");
      expect([key, (await run(...args)).code]).toEqual([key, 0]);
      await chain().empty();
      if (chain().keys().length === 0) break;
    }
    const keys = [
      await produce("lost ü+%.bin", Buffer.alloc(MIB, 1)),
      await produce("lost-2.bin", Buffer.alloc(MIB, 2)),
    ];
    // What a broken queue policy does.
    await chain().empty();

    expect((await run("reconcile")).stdout).toBe("Nothing is left.\n");
    const dry = await run("reconcile", "--older-than", "0s");
    expect(dry.stdout).toMatch(/ 1\.0 MB +\d s {2}input\/\S+\/lost ü\+%\.bin\n/);
    expect(dry.stdout).toMatch(
      /\n2 payloads, 2\.1 MB, not announced: say --announce to do it\.\nNone has a message: the queue and its dead-letter queue are empty\.\n$/,
    );
    const lines = linesOf((await run("reconcile", "--older-than", "0s", "--json")).stdout);
    expect(lines.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
    expect(lines).toMatchObject([{ size: MIB, announced: false, waiting: false }, { announced: false }]);
    expect(await chain().count(chain().queueUrl)).toBe(0);

    expect((await run("reconcile", "--older-than", "1h", "--announce")).stdout).toBe("Nothing is left.\n");
    const told = await run("reconcile", "--older-than", "0s", "--announce");
    expect(told.stdout).toMatch(/\n2 payloads, 2\.1 MB, announced again\.\nNone has a message: [^\n]*\n$/);
    expect(await chain().count(chain().queueUrl)).toBe(2);
    expect((await consumed(2)).map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
    expect([chain().keys(), await chain().count(chain().queueUrl)]).toEqual([[], 0]);
    expect((await run("reconcile", "--older-than", "0s")).stdout).toBe("Nothing is left.\n");
  });

  test("says how many messages may name a payload, and receives none of them", async () => {
    for (const name of ["lost-1.bin", "lost-2.bin"]) await produce(name, Buffer.alloc(MIB));
    await chain().empty();
    await poison("may name one");
    const left = chain().keys().length;
    const counts = (dead: number) =>
      `\nThe queue has 1 message (0 in flight), its dead-letter queue ${dead}: which payloads they name, only a receive would tell.`;
    const listed = await run("reconcile", "--older-than", "0s");
    expect(listed.stdout.endsWith(`${counts(0)} At least ${left - 1} have none.\n`)).toBe(true);
    for (let dead = 1; dead < left; dead += 1) await unfailed("may name one, too");
    const [line] = linesOf((await run("reconcile", "--older-than", "0s", "--json")).stdout);
    expect(line).toMatchObject({ waiting: null });
    const { Messages: [message] = [] } = await chain().sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: chain().queueUrl,
        VisibilityTimeout: 0,
        MessageSystemAttributeNames: ["ApproximateReceiveCount"],
      }),
    );
    expect(message?.Attributes).toEqual({ ApproximateReceiveCount: "1" });
    const announced = await run("reconcile", "--older-than", "0s", "--announce");
    const twice = `${counts(left - 1)} A payload that they name comes twice now.\n`;
    expect(announced.stdout.endsWith(twice)).toBe(true);
  });

  test("says where it cannot be told", async () => {
    await produce("waiting.bin", Buffer.alloc(MIB, 1));
    const engine = await startLimitedSqs(new URL(chain().queueUrl).origin);
    engine.answers = { GetQueueAttributes: [502, "<html>"] };
    const queueUrl = engine.endpoint + new URL(chain().queueUrl).pathname;
    const { code, stdout } = await run("reconcile", "--older-than", "0s", "--queue-url", queueUrl);
    await engine.stop();
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("\nWhether they have messages cannot be told: The response is not SQS's"),
    ]);
  });
});
