import type { Message } from "@aws-sdk/client-sqs";
import { contentsOf, encodeKey } from "../../client/consume/contents";
import { TweedleError } from "../../client/errors";

const UUID = "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab";
const keyOf = (name: string) => `input/${UUID}/${name}`;
const KEY = keyOf("cat.jpg");

const record = (object: object, eventName = "ObjectCreated:Put") => ({
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
    expect(contents).toEqual({ kind: "objects", objects: [announced({ key })] });
  }
});

test("all records of a notification count; one that cannot be read is its reason, and others are left out", () => {
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
      new TweedleError("Invalid", "A record's s3 is no object."),
      announced(),
      new TweedleError("Invalid", "A record is no object."),
    ],
  });
});

test.each([
  ["S3's own test", { Service: "Amazon S3", Event: "s3:TestEvent" }, "s3:TestEvent"],
  ["a deletion", { Records: [record({}, "ObjectRemoved:Delete")] }, "no object was created"],
  ["a deletion by EventBridge", { source: "aws.s3", "detail-type": "Object Deleted" }, "Object Deleted"],
  ["S3's test through a topic", wrapped({ Event: "s3:TestEvent" }), "s3:TestEvent"],
])("%s announces nothing", (_, body, why) => {
  expect(read(body)).toEqual({ kind: "nothing", why });
});

test("a topic's wrapping is taken off, twice at most", () => {
  const inner = { Records: [record({ size: 3 })] };
  const expected = { kind: "objects", objects: [announced({ size: 3 })] };
  expect(read(wrapped(inner))).toEqual(expected);
  expect(read(wrapped(wrapped(inner)))).toEqual(expected);
  expect(() => read(wrapped(wrapped(wrapped(inner))))).toThrow("announces no payload");
});

test.each([
  ["software.amazon.payloadoffloading.PayloadS3Pointer", "ExtendedPayloadSize"],
  ["com.amazon.sqs.javamessaging.MessageS3Pointer", "SQSLargePayloadSize"],
])("the Extended Client's pointer %s says where, and %s how much", (name, attribute) => {
  const pointer = [name, { s3BucketName: "bucket", s3Key: KEY }];
  const sized = (StringValue: string) => ({ [attribute]: { DataType: "Number", StringValue } });
  expect(read(pointer, sized("123"))).toEqual({ kind: "objects", objects: [announced({ size: 123 })] });
  expect(read(pointer, sized("many"))).toEqual({ kind: "objects", objects: [announced()] });
});

test("a payload in the message comes with its bytes and what is known of it", () => {
  const body = { source: "tweedle", object_key: KEY, size: 3, checksum_sha256: "digest" };
  const payload = { DataType: "Binary", BinaryValue: new Uint8Array([0, 255, 10]) };
  const bytes = Buffer.from([0, 255, 10]);
  const about = { key: KEY, checksum: "digest" };
  expect(read({ ...body, content_type: "image/png", metadata: { a: "b" } }, { payload })).toEqual({
    kind: "inline",
    payload: { ...about, bytes, contentType: "image/png", metadata: { a: "b" } },
  });
  expect(read({ ...body, size: 0 })).toMatchObject({
    payload: { ...about, bytes: Buffer.alloc(0), metadata: {} },
  });
  expect(() => read({ ...body, size: 4 }, { payload })).toThrow("The message should hold 4 bytes, not 3.");
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
  expect(read({ Records: [record({ key })] })).toEqual({
    kind: "objects",
    objects: [expect.objectContaining({ code: "Invalid", message: expect.stringContaining("The key ") })],
  });
});
