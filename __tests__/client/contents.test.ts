import { createHash } from "node:crypto";
import { Event } from "@aws-sdk/client-s3";
import type { Message } from "@aws-sdk/client-sqs";
import { contentsOf, encodeKey } from "../../client/consume/contents";
import { TweedleError } from "../../client/errors";

const UUID = "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab";
const keyOf = (name: string) => `input/${UUID}/${name}`;
const KEY = keyOf("cat.jpg");

const record = (object: object, eventName: unknown = "ObjectCreated:Put") => ({
  eventSource: "aws:s3",
  eventName,
  s3: { bucket: { name: "bucket" }, object: { key: KEY, ...object } },
});
const read = (body: unknown, MessageAttributes: Message["MessageAttributes"] = {}) =>
  contentsOf({ Body: typeof body === "string" ? body : JSON.stringify(body), MessageAttributes });
const announced = (facts: object = {}) => ({
  bucket: "bucket",
  key: KEY,
  size: undefined,
  versionId: undefined,
  eTag: undefined,
  sequencer: undefined,
  ...facts,
});
const objects = (...all: object[]) => ({ kind: "objects", objects: all, ignored: [] });
const wrapped = (message: unknown) => ({ Type: "Notification", Message: JSON.stringify(message) });

const NAMES = ["a b", "a+b", "50%", "%41", "a=b&c", "Grüße", "😀", "ordner/datei", "a%2Fb", "~!'()*"];

test.each(NAMES)("a key that ends in %j is decoded once, where it is encoded at all", (name) => {
  const key = keyOf(name);
  const fromS3 = read({ Records: [record({ key: encodeKey(key) })] });
  const fromEventBridge = read({
    source: "aws.s3",
    "detail-type": "Object Created",
    detail: { bucket: { name: "bucket" }, object: { key } },
  });
  const pointer = read([
    "com.amazon.sqs.javamessaging.MessageS3Pointer",
    { s3BucketName: "bucket", s3Key: key },
  ]);
  for (const contents of [fromS3, fromEventBridge, pointer]) {
    expect(contents).toEqual(objects(announced({ key })));
  }
});

test("all records of a notification count; one that cannot be read is its reason", () => {
  const contents = read({
    Records: [
      record({ size: 3, eTag: '"abc"', versionId: "v1", sequencer: "00AB" }),
      record({}, "ObjectRemoved:Delete"),
      record({ key: "elsewhere/cat.jpg" }),
      { eventName: "ObjectCreated:Put" },
      record({ versionId: "null", size: -1 }, "s3:ObjectCreated:CompleteMultipartUpload"),
      null,
    ],
  });
  expect(contents).toEqual({
    kind: "objects",
    objects: [
      announced({ size: 3, eTag: "abc", versionId: "v1", sequencer: "00ab" }),
      new TweedleError("Invalid", 'The key "elsewhere/cat.jpg" is not of the form input/<UUID>/<name>.'),
      new TweedleError("Invalid", "The message's Records[3].s3 must be an object, not undefined."),
      announced(),
      new TweedleError("Invalid", "The message's Records[5] must be an object, not null."),
    ],
    ignored: [{ event: "ObjectRemoved:Delete", key: KEY }],
  });
});

const TEST = { Service: "Amazon S3", Event: "s3:TestEvent", Time: "2026-01-01T00:00:00Z", Bucket: "bucket" };

test.each([
  ["S3's own test", TEST],
  ["S3's test through a topic", wrapped(TEST)],
])("%s is known", (_, body) => {
  expect(read(body)).toEqual({ kind: "test" });
});

// AWS's own list of events, as it publishes it for its SDKs.
const EVENTS = Object.values(Event).filter((name) => !name.endsWith("*"));

test.each(EVENTS)("%s announces a payload if it is a creation, and is ignored otherwise", (name) => {
  const inRecords = name.slice("s3:".length);
  for (const event of [inRecords, name]) {
    expect(read({ Records: [record({}, event)] })).toEqual(
      inRecords.startsWith("ObjectCreated:")
        ? objects(announced())
        : { kind: "objects", objects: [], ignored: [{ event, key: KEY }] },
    );
  }
});

const DETAIL = { bucket: { name: "bucket" }, object: { key: KEY } };
const fromEventBridge = (type: unknown, detail: unknown = DETAIL) => ({
  source: "aws.s3",
  "detail-type": type,
  detail,
});

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
test.each([
  "Object Deleted",
  "Object Restore Initiated",
  "Object Restore Completed",
  "Object Restore Expired",
  "Object Storage Class Changed",
  "Object Access Tier Changed",
  "Object ACL Updated",
  "Object Tags Added",
  "Object Tags Deleted",
])("EventBridge's %s is ignored", (event) => {
  expect(read(fromEventBridge(event))).toEqual({
    kind: "objects",
    objects: [],
    ignored: [{ event, key: KEY }],
  });
});

const inRecord = (reason: string) => new TweedleError("Invalid", reason);

test.each([
  ["another service's", { ...record({}, "INSERT"), eventSource: "aws:dynamodb" }],
  ["another service's, by S3's name", { ...record({}, "ObjectRemoved:Delete"), eventSource: "aws:sns" }],
  ["no service's", { ...record({}, "ObjectRemoved:Delete"), eventSource: undefined }],
  ["in the wrong case", record({}, "objectcreated:Put")],
  ["in the wrong case, and not of a creation", record({}, "objectremoved:delete")],
  ["a creation without a way", record({}, "ObjectCreated:")],
  ["every creation", record({}, "ObjectCreated:*")],
  ["unknown", record({}, "ObjectEaten:Whole")],
  ["every other", record({}, "ObjectRemoved:*")],
  ["part of a longer name", record({}, "xObjectCreated:Put")],
])("a record whose event is %s is not ignored", (_, unknown) => {
  const { eventName, eventSource } = unknown;
  const named = `${JSON.stringify(eventName)} of ${JSON.stringify(eventSource)}`;
  const reason = `The event ${named} in Records[1] is not one of S3's documented events.`;
  expect(read({ Records: [record({}), unknown] })).toEqual(objects(announced(), inRecord(reason)));
});

test.each([
  ["", '""'],
  [null, "null"],
  [0, "0"],
  [undefined, "undefined"],
  [{ toString: 1 }, '{"toString":1}'],
])("a record whose event is %j is not ignored", (eventName, quoted) => {
  const body = { Records: [{ ...record({}), eventName }] };
  expect(read(body)).toEqual(
    objects(inRecord(`The message's Records[0].eventName must be a text, not ${quoted}.`)),
  );
});

test("a topic's wrapping is taken off, twice at most", () => {
  const inner = { Records: [record({ size: 3 })] };
  const expected = objects(announced({ size: 3 }));
  expect(read(wrapped(inner))).toEqual(expected);
  expect(read(wrapped(wrapped(inner)))).toEqual(expected);
  expect(() => read(wrapped(wrapped(wrapped(inner))))).toThrow("Unrecognised message");
});

test.each([
  ["software.amazon.payloadoffloading.PayloadS3Pointer", "ExtendedPayloadSize"],
  ["com.amazon.sqs.javamessaging.MessageS3Pointer", "SQSLargePayloadSize"],
])("the Extended Client's pointer %s says where, and %s how much", (name, attribute) => {
  const pointer = [name, { s3BucketName: "bucket", s3Key: KEY }];
  const sized = (StringValue: string) => ({ [attribute]: { DataType: "Number", StringValue } });
  expect(read(pointer, sized("123"))).toEqual(objects(announced({ size: 123 })));
  expect(read(pointer, sized("many"))).toEqual(objects(announced()));
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64");
const BYTES = Buffer.from([0, 255, 10]);
const inline = {
  source: "tweedle",
  object_key: KEY,
  size: BYTES.length,
  checksum_sha256: sha256(BYTES),
};
const ATTRIBUTES = { payload: { DataType: "Binary", BinaryValue: new Uint8Array(BYTES) } };

test("a payload in the message comes with its bytes and what is known of it", () => {
  const facts = { content_type: "image/png", metadata: { a: "b" } };
  expect(read({ ...inline, ...facts }, ATTRIBUTES)).toEqual({
    kind: "inline",
    payload: {
      key: KEY,
      checksum: sha256(BYTES),
      bytes: BYTES,
      contentType: "image/png",
      metadata: { a: "b" },
    },
  });
  const empty = Buffer.alloc(0);
  expect(read({ ...inline, size: 0, checksum_sha256: sha256(empty) })).toMatchObject({
    payload: { bytes: empty, metadata: {} },
  });
});

const LONG = "\u001b".repeat(200_000);
const CUT = `"${"\\u001b".repeat(100)}…" (200000 characters)`;

test.each([
  [{ size: 4 }, "The message holds 3 bytes, and its size is 4."],
  [{ size: "3" }, 'The message holds 3 bytes, and its size is "3".'],
  [{ size: LONG }, `The message holds 3 bytes, and its size is ${CUT}.`],
  [{ size: { toString: 1 } }, 'The message holds 3 bytes, and its size is {"toString":1}.'],
  [{ checksum_sha256: "x" }, `The payload's SHA-256 is ${sha256(BYTES)}, and should be "x".`],
  [{ checksum_sha256: undefined }, `The payload's SHA-256 is ${sha256(BYTES)}, and should be undefined.`],
  [
    { content_type: "a\u001b" },
    'The message\'s content_type must be a text of printable ASCII, not "a\\u001b".',
  ],
  [
    { content_type: "a\r\nb" },
    'The message\'s content_type must be a text of printable ASCII, not "a\\r\\nb".',
  ],
  [{ content_type: 3 }, "The message's content_type must be a text of printable ASCII, not 3."],
  [{ content_type: LONG }, `The message's content_type must be a text of printable ASCII, not ${CUT}.`],
  [{ metadata: null }, "The message's metadata must be an object of texts of printable ASCII, not null."],
  [{ metadata: ["a"] }, 'The message\'s metadata must be an object of texts of printable ASCII, not ["a"].'],
  [{ metadata: "a" }, 'The message\'s metadata must be an object of texts of printable ASCII, not "a".'],
  [
    { metadata: { a: 1 } },
    'The message\'s metadata must be an object of texts of printable ASCII, not {"a":1}.',
  ],
  [
    { metadata: { "": "b" } },
    'The message\'s metadata must be an object of texts of printable ASCII, not {"":"b"}.',
  ],
  [
    { metadata: { a: "\u202e" } },
    'The message\'s metadata must be an object of texts of printable ASCII, not {"a":"\\u202e"}.',
  ],
  [{ object_key: LONG }, `The key ${CUT} is not of the form input/<UUID>/<name>.`],
])("an inline message with %j is invalid", (wrong, message) => {
  expect(() => read({ ...inline, ...wrong }, ATTRIBUTES)).toThrow(new TweedleError("Invalid", message));
});

test("an inline message without its bytes is invalid", () => {
  const text = { payload: { DataType: "String", StringValue: "abc" } };
  for (const attributes of [{}, text]) {
    expect(() => read(inline, attributes)).toThrow("The message holds 0 bytes, and its size is 3.");
  }
});

test.each([
  "",
  "{",
  "null",
  "3",
  '"text"',
  "[]",
  "{}",
  '["some.other.Pointer",{}]',
  '["software.amazon.payloadoffloading.PayloadS3Pointer"]',
  '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"a"}]',
  '{"source":"aws.s3","detail-type":"Object Created"}',
  '{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{},"object":{"key":3}}}',
  '{"source":"tweedle","size":0}',
  '{"source":"tweedle","size":0,"object_key":"a"}',
  '{"Type":"Notification","Message":"{"}',
  '{"Type":"Notification","Message":3}',
  '{"Records":{}}',
  '[{"toString":1},{}]',
  '{"source":"tweedle","size":{"toString":1}}',
  '{"source":"aws.s3","detail-type":{"toString":1}}',
  '{"Type":"Notification","Message":"[{\\"toString\\":1},{}]"}',
  '{"source":"aws.s3"}',
  ...[null, 0, "", "Object created", "object deleted", "AWS API Call via CloudTrail", "Async"].map((type) =>
    JSON.stringify(fromEventBridge(type)),
  ),
  '{"source":"aws.s3","detail-type":"Object Deleted"}',
  '{"source":"aws.s3","detail-type":"Object Deleted","detail":{"bucket":{"name":"b"},"object":{}}}',
  '{"source":"aws.s3","detail-type":"Object Deleted","detail":{"bucket":{},"object":{"key":"a"}}}',
  '{"source":"aws.ec2","detail-type":"Object Deleted","detail":{"bucket":{"name":"b"},"object":{"key":"a"}}}',
  '{"source":["aws.s3"],"detail-type":"Object Deleted"}',
  '{"Records":[]}',
  '{"Records":null}',
  '{"Event":"s3:TestEvent"}',
  '{"Service":"Amazon S3"}',
  '{"Service":"Amazon S3","Event":"s3:testevent"}',
  '{"Service":"Amazon SNS","Event":"s3:TestEvent"}',
  ...[
    { ...TEST, Records: [record({})] },
    { ...TEST, source: "tweedle" },
    { ...inline, Records: [] },
  ].map((body) => JSON.stringify(body)),
  JSON.stringify({ ...fromEventBridge("Object Deleted"), Records: [record({})] }),
  JSON.stringify({ ...wrapped(TEST), Records: [record({})] }),
  '{"Type":"SubscriptionConfirmation","Message":"{}"}',
])("%s is refused in a sentence", (body) => {
  let error: unknown;
  try {
    read(body);
  } catch (reason) {
    error = reason;
  }
  expect(error).toBeInstanceOf(TweedleError);
  expect(error).toMatchObject({ code: "Invalid", message: expect.stringMatching(/^[A-Z].*[.?]$/) });
});

test.each([
  "cat.jpg",
  "input/cat.jpg",
  `input/${UUID}/`,
  `input/${UUID}/../a`,
  `input/${UUID.toUpperCase()}/a`,
  "%",
])("the key %s is none of ours", (key) => {
  const error = { code: "Invalid", message: expect.stringContaining("The key ") as string };
  expect(read({ Records: [record({ key })] })).toEqual(objects(expect.objectContaining(error) as object));
});

test.each([
  [{ versionId: "a b" }, 'The version "a b" is not a version id as S3 gave it.'],
  [{ versionId: 3 }, "The version 3 is not a version id as S3 gave it."],
  [{ versionId: "x".repeat(2000) }, `The version "${"x".repeat(100)}…" (2000 characters) is not`],
  [{ eTag: "a\nb" }, 'The ETag "a\\nb" is not a text of printable ASCII.'],
  [{ eTag: 3 }, "The ETag 3 is not a text of printable ASCII."],
])("a record with %j is invalid", (object, message) => {
  expect(() => {
    const contents = read({ Records: [record(object)] });
    if (contents.kind === "objects") throw contents.objects[0] as TweedleError;
  }).toThrow(message);
});

test.each([{ versionId: null, eTag: null }, { versionId: "", eTag: "" }, { versionId: "null" }])(
  "a record with %j names neither",
  (object) => {
    expect(read({ Records: [record(object)] })).toEqual(objects(announced()));
  },
);
