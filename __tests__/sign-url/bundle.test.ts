import * as fields from "../../functions/sign-url/fields";
import { readEnvironment } from "../../functions/sign-url/environment";
import { ACTIONS, ROLES } from "../../functions/sign-url/actions";
import { DESCRIPTIONS, SUMMARIES, describeField } from "../../functions/sign-url/words";
import { bundleSigner } from "../../stacks/signer";

const VARIABLES = {
  BUCKET_NAME: "b",
  ROLES: "producer,consumer",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "a",
  AWS_SECRET_ACCESS_KEY: "s",
};

describe("the signer's bundle", () => {
  const rules = { roles: ROLES, maxObjectBytes: undefined };
  const { code } = bundleSigner(rules);

  // A KB costs a cold start a quarter of a millisecond. The limit leaves a fifth free, so that a sentence fits.
  test("is at most 36,000 bytes, which a cold start loads in milliseconds", () => {
    expect(Buffer.byteLength(code)).toBeLessThanOrEqual(36_000);
  });

  test("is without the words that only the API's description has, and each action and field has its own", () => {
    expect(Object.keys(SUMMARIES)).toEqual(Object.keys(ACTIONS));
    const used = new Set(
      Object.values(ACTIONS).flatMap((action) => Object.values<fields.Field>(action.fields)),
    );
    expect(new Set(DESCRIPTIONS.keys())).toEqual(used);
    const words = [...Object.values(SUMMARIES), ...DESCRIPTIONS.values()];
    expect(words.filter((sentence) => !/^[A-Z].{5,}\.$/.test(sentence) || code.includes(sentence))).toEqual(
      [],
    );
    expect(() => describeField("acl", { ...fields.NAME })).toThrow("words.ts does not say what acl is for.");
  });

  test("loads nothing that could reach the network", () => {
    const loaded = [...code.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name?.replace("node:", ""));
    expect(loaded).toContain("crypto");
    expect(
      loaded.filter((name) => !["crypto", "fs", "path", "buffer", "stream"].includes(name ?? "")),
    ).toEqual([]);
  });

  test("has the same bytes each time it is made", () => {
    const [first, second] = [1, 2].map(() => bundleSigner(rules));
    expect(first?.hash).toBe(second?.hash);
    expect(bundleSigner({ ...rules, maxObjectBytes: 1 }).hash).not.toBe(first?.hash);
  });
});

describe("the signer's environment", () => {
  test("is read whole", () => {
    expect(
      readEnvironment({
        ...VARIABLES,
        MAX_OBJECT_BYTES: "1000",
        DENY_OVERWRITES: "true",
        CONTENT_TYPES: "image/*,application/pdf",
        AWS_SESSION_TOKEN: "t",
        AWS_ENDPOINT_URL_S3: "http://127.0.0.1:4601",
      }),
    ).toEqual({
      bucketName: "b",
      region: "eu-central-1",
      credentials: { accessKeyId: "a", secretAccessKey: "s", sessionToken: "t" },
      roles: ["producer", "consumer"],
      maxObjectBytes: 1000,
      denyOverwrites: true,
      contentTypes: ["image/*", "application/pdf"],
      endpoint: new URL("http://127.0.0.1:4601"),
    });
  });

  test.each([
    ...Object.keys(VARIABLES).map(
      (name) => [name, undefined, `The environment variable ${name} is not set.`] as const,
    ),
    ["ROLES", "producer,admin", 'ROLES must list some of producer, consumer, not "producer,admin".'] as const,
    ["MAX_OBJECT_BYTES", "1e3", 'MAX_OBJECT_BYTES must be a whole number of bytes, not "1e3".'] as const,
    ["MAX_OBJECT_BYTES", "", 'MAX_OBJECT_BYTES must be a whole number of bytes, not "".'] as const,
  ])("with %s = %j stops the function before its first request", (name, value, says) => {
    expect(() => readEnvironment({ ...VARIABLES, [name]: value })).toThrow(says);
  });
});
