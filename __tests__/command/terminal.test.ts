import { sentenceOf } from "../../client/cli/sentence";
import { formatSeconds, printable, printableLines, progressText, table } from "../../client/cli/terminal";
import { main, tweedle } from "../../client/cli/tweedle";
import { HttpError, TweedleError } from "../../client/errors";

test("progress says how much, how fast, how long, and which part, on one line of 80 columns", () => {
  const report = { bytes: 882e6, totalBytes: 2.1e9, parts: { done: 27, total: 64 } };
  const text = progressText("cat.mp4", report, 2.14);
  expect(text).toBe("cat.mp4  ████░░░░░░  42 %  882 MB of 2.1 GB  412 MB/s  3 s left  part 27 of 64");
  expect(text.length).toBeLessThan(80);
});

test("progress of what nobody knows the size of has no bar; a long name keeps its end", () => {
  const text = progressText(`${"x".repeat(100)}.mp4`, { bytes: 1000, totalBytes: undefined }, 1);
  expect(text).toBe(`…${"x".repeat(27)}.mp4  1.0 KB  1.0 KB/s`);
  expect(progressText("empty", { bytes: 0, totalBytes: 0 }, 0)).toBe("empty  0 B of 0 B  0 B/s");
});

test("progress says what it waits for in place of a rate", () => {
  const waiting = {
    service: "s3",
    reason: "connection refused",
    elapsedMs: 12_400,
    maxDurationMs: 300_000,
  } as const;
  const report = { bytes: 882e6, totalBytes: 2.1e9, parts: { done: 27, total: 64 } };
  expect(progressText("cat.mp4", { ...report, waiting }, 20)).toBe(
    "cat.mp4  waiting for S3, 12 s of 5 min: connection refused  882 MB of 2.1 GB",
  );
  const machine = { service: undefined, reason: "too many open files", elapsedMs: 0, maxDurationMs: 90_000 };
  expect(progressText("all", { bytes: 0, totalBytes: undefined, waiting: machine }, 2)).toBe(
    "all  waiting for this machine, 0 s of 1 min 30 s: too many open files  0 B",
  );
});

test("what was compared, and not sent, is part of no rate and no time left", () => {
  const resumed = { bytes: 1.9e9, resumedBytes: 1.8e9, totalBytes: 2e9 };
  expect(progressText("cat.mp4", resumed, 10)).toBe(
    "cat.mp4  ██████████  95 %  1.9 GB of 2.0 GB  10.0 MB/s  10 s left",
  );
  expect(progressText("cat.mp4", { ...resumed, bytes: 1.8e9 }, 10)).toBe(
    "cat.mp4  █████████░  90 %  1.8 GB of 2.0 GB  0 B/s",
  );
});

test.each([
  [0.4, "0 s"],
  [59.6, "1 min 00 s"],
  [3725, "1 h 02 min"],
  [93_600, "1 d 2 h"],
])("%d s are %s", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

test("a table's columns are as wide as what is in them", () => {
  expect(table(["a", "count"], [["long", "1"]], [1])).toBe("a     count\nlong      1");
});

test("what moves the cursor or turns text round is shown as what it is", () => {
  expect(printable("a\u001b[2J\u009b\u202e\u2028ü😀")).toBe("a\\u001b[2J\\u009b\\u202e\\u2028ü😀");
});

test("of several lines the ends stay, and nothing else that moves the cursor", () => {
  expect(printableLines("a\u001b[2J\n  b\r\u2028c")).toBe("a\\u001b[2J\n  b\\u000d\\u2028c");
});

test.each([
  [new HttpError("s3", 403, "AccessDenied", "No way"), "The server refused it with 403 AccessDenied: No way"],
  [new HttpError("s3", 418, "", "HTTP 418"), "The server refused it with 418: HTTP 418"],
])("what a server refuses is a sentence, and no mistake of ours", (error, sentence) => {
  expect(sentenceOf(error)).toBe(sentence);
});

const errorOf = (name: string, message: string, facts: object = {}) =>
  Object.assign(new Error(message), { name, ...facts });
const SIGN_IN =
  "sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.";

test.each<[string | undefined, Error]>([
  [
    `There are no AWS credentials: ${SIGN_IN}`,
    errorOf("CredentialsProviderError", "Could not load credentials from any providers"),
  ],
  [
    "The AWS credentials cannot be loaded: The SSO session has expired. Run 'aws sso login'.",
    errorOf("CredentialsProviderError", "The SSO session has expired. Run 'aws sso login'."),
  ],
  ["The AWS credentials cannot be loaded: x.", errorOf("TokenProviderError", "x")],
  [`AWS refuses the credentials (ExpiredToken): ${SIGN_IN}`, errorOf("ExpiredToken", "x")],
  [`AWS refuses the credentials (InvalidClientTokenId): ${SIGN_IN}`, errorOf("InvalidClientTokenId", "x")],
  [
    "The region is missing: set AWS_REGION, such as eu-central-1, or AWS_PROFILE to a profile with a region.",
    errorOf("Error", "Region is missing"),
  ],
  [
    "There is no such queue: look at its URL, and at the account of the credentials.",
    errorOf("QueueDoesNotExist", "x"),
  ],
  [
    "a.b cannot be reached (ENOTFOUND): look at the network, the region and the URLs.",
    errorOf("Error", "x", { code: "ENOTFOUND", syscall: "getaddrinfo", hostname: "a.b" }),
  ],
  [
    "::1:9 cannot be reached (ECONNREFUSED): look at the network, the region and the URLs.",
    new AggregateError([
      errorOf("Error", "x", { code: "ECONNREFUSED", syscall: "connect", address: "::1", port: 9 }),
      errorOf("Error", "y", { code: "ECONNREFUSED", syscall: "connect", address: "127.0.0.1", port: 9 }),
    ]),
  ],
  ["Slow down", errorOf("Throttling", "Slow down", { $metadata: {} })],
  ["ENOSPC: no space left", errorOf("Error", "ENOSPC: no space left", { code: "ENOSPC", syscall: "write" })],
  [undefined, new TypeError("x is not a function")],
])("%s", (sentence, error) => {
  expect(sentenceOf(error)).toBe(sentence);
  const isSetting = /credentials|region is missing/.test(sentence ?? "");
  const caused = new TweedleError("Refused", "The queue cannot be read.", { cause: error });
  expect(sentenceOf(caused)).toBe(isSetting ? sentence : "The queue cannot be read.");
});

test("a mistake of ours is a stack, of which nothing reaches the terminal raw", async () => {
  const said = jest.spyOn(console, "error").mockImplementation(() => undefined);
  jest.spyOn(tweedle, "parseAsync").mockRejectedValue(new TypeError("a\u001b[2J\u202eb"));
  const { exitCode } = process;
  try {
    await main([]);
    const [text] = said.mock.calls[0] as [string];
    expect([process.exitCode, text]).toEqual([
      1,
      expect.stringMatching(/^TypeError: a\\u001b\[2J\\u202eb\n +at /),
    ]);
  } finally {
    process.exitCode = exitCode;
    jest.restoreAllMocks();
  }
});
