import { createHash } from "node:crypto";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { createHandler as createSender } from "../../functions/send-message/handler";
import { ACTIONS, ROLES, type Role, hasUrl } from "../../functions/sign-url/actions";
import { LIMITS } from "../../functions/sign-url/limits";
import { type ApiRules, openApi } from "../../functions/sign-url/openapi";
import { CREDENTIALS } from "../send-message/tools";
import { STAGES, operationsOf } from "./descriptions";
import { type Fields, requestOf } from "./requests";
import { DIGEST, ENVIRONMENT, KEY, signer } from "./tools";

/* The API's description is compared with the functions, by a validator of JSON Schema that is not ours. */

interface Content {
  readonly content: { readonly "application/json": { readonly schema: object } };
}

/** A stage's functions, and what its description says of them. */
function describedStage(rules: ApiRules) {
  const document = openApi(rules);
  const ajv = new Ajv({ strict: false, formats: { int64: true, "date-time": true } });
  ajv.addSchema({ $id: "api", ...document });
  const validator = ({ content }: Content) => {
    const schema = JSON.stringify(content["application/json"].schema).replaceAll('"#/', '"api#/');
    return ajv.compile(JSON.parse(schema) as object);
  };
  const operations = operationsOf(rules).filter(({ method }) => method === "post");
  const validators = Object.fromEntries(
    operations.map(({ path, operation: { requestBody, responses } }) => [
      path,
      {
        request: validator(requestBody as unknown as Content),
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, response]) => [
            status,
            validator(response as unknown as Content),
          ]),
        ),
      },
    ]),
  );
  const of = (route: string) => validators[route] as (typeof validators)[string];

  const { maxObjectBytes, contentTypes, denyOverwrites } = rules;
  const environment = { ...ENVIRONMENT, maxObjectBytes, contentTypes, denyOverwrites };
  const signerOf = (role: Role) =>
    signer({ ...environment, roles: rules.roles.includes(role) ? rules.roles : [role] });
  const signers = Object.fromEntries(ROLES.map((role) => [role, signerOf(role)])) as Record<
    Role,
    ReturnType<typeof signer>
  >;
  const send = createSender(
    { ...environment, credentials: CREDENTIALS, queueUrl: new URL("https://sqs.example/1/queue") },
    { fetch: () => Promise.resolve(new Response('{"MessageId":"m-1"}')) },
  );

  return {
    actions: Object.entries(ACTIONS).filter(
      ([name, action]) => hasUrl(action) || rules.withoutUrl?.includes(name),
    ),
    /** Whether a request is what the schemas say. */
    takes: (route: string, body: Fields) => of(route).request(body),
    /** Whether an answer is what the schemas say. */
    answers: (route: string, status: number, body: unknown) => of(route).responses[status]?.(body),
    /** What the description says in words of an action's field, or of a status. */
    words: (route: string, what: string) => {
      const path = operations.find((one) => one.path === route)?.operation;
      const schemas = document.components.schemas as unknown as Record<
        string,
        { properties: Record<string, { description: string }> }
      >;
      const schema = schemas[`${route[1]?.toUpperCase()}${route.slice(2)}Request`];
      return schema?.properties[what]?.description ?? path?.responses[what]?.description;
    },
    ask: async (route: string, body: Fields) => {
      const event = { httpMethod: "POST", resource: route, headers: {}, isBase64Encoded: false };
      const role = ACTIONS[route.slice(1)]?.role ?? "producer";
      const answer =
        route === "/sendMessage"
          ? await send({ ...event, body: JSON.stringify(body) })
          : await signers[role](route, body);
      return { status: answer.statusCode, body: JSON.parse(answer.body) as { error?: { code: string } } };
    },
  };
}

const stages = Object.fromEntries(
  Object.entries(STAGES).map(([name, rules]) => [name, describedStage(rules)]),
);
const stageOf = (name: string) => stages[name] as ReturnType<typeof describedStage>;

/** A reason to refuse a request that the schemas take: they can say it in words only. */
interface Exception {
  readonly code: string;
  readonly applies: (fields: Fields, rules: ApiRules) => boolean;
  /** Where the description says it, and its words. */
  readonly says: readonly [fieldOrStatus: string, words: string];
  readonly example: readonly [stage: string, route: string, body: Fields];
}

const segments = ({ object_key: key }: Fields) => String(key).split("/");
const payload = ({ body }: Fields) => Buffer.from(String(body), "base64");
const metadata = ({ metadata: map }: Fields) => Object.entries((map ?? {}) as Record<string, string>);
const parts = ({ part_numbers: numbers }: Fields) => (Array.isArray(numbers) ? numbers.length : 0);
const put = (fields: Fields) => ["open", "/putObject", fields] as const;
const UPLOAD = { object_key: KEY, upload_id: "u", part_numbers: [1, 2] };
const base64 = (bytes: number) => Buffer.alloc(bytes).toString("base64");

const EXCEPTIONS: Readonly<Record<string, Exception>> = {
  "a segment of dots": {
    code: "InvalidObjectKey",
    applies: (fields) => segments(fields).some((segment) => /^\.\.?$/.test(segment)),
    says: ["object_key", 'without "." or ".."'],
    example: put({ object_key: "a/../b" }),
  },
  "a name that is too long in bytes": {
    code: "InvalidObjectKey",
    applies: (fields) => Buffer.byteLength(String(fields["object_key"])) > 981,
    says: ["object_key", "at most 981 bytes"],
    example: put({ object_key: "ü".repeat(491) }),
  },
  "a zero-width character at an end": {
    code: "InvalidObjectKey",
    applies: (fields) =>
      segments(fields).some((segment) => /^[\u200b\u2060\ufeff]|[\u200b\u2060\ufeff]$/.test(segment)),
    says: ["object_key", "without a zero-width character (U+200B, U+2060, U+FEFF) next to a slash or an end"],
    example: put({ object_key: "cat.jpg\ufeff" }),
  },
  "half a surrogate pair, or a noncharacter of two": {
    code: "InvalidObjectKey",
    applies: (fields) => /[\p{Cs}\p{NChar}]/u.test(String(fields["object_key"])),
    says: ["object_key", "noncharacters (U+FFFE) or halves of surrogate pairs"],
    example: put({ object_key: "a\u{1fffe}" }),
  },
  "a name of metadata": {
    code: "InvalidMetadata",
    applies: (fields) => metadata(fields).some(([name]) => !/^[a-z0-9][a-z0-9._-]{0,127}$/.test(name)),
    says: ["metadata", 'names of a-z, 0-9, ".", "_" and "-"'],
    example: put({ object_key: "a", metadata: { A: "b" } }),
  },
  "metadata that is too much together": {
    code: "InvalidMetadata",
    applies: (fields) => metadata(fields).flat().join("").length > LIMITS.metadataBytes,
    says: ["metadata", "at most 2048 bytes together"],
    example: put({ object_key: "a", metadata: { a: "b".repeat(2048) } }),
  },
  "a token without the condition": {
    code: "MissingField",
    applies: (fields) => "client_token" in fields && !("if_none_match" in fields),
    says: ["client_token", "putObject wants if_none_match too"],
    example: put({ object_key: "a", client_token: KEY.slice(6, 42) }),
  },
  "one digest of several parts": {
    code: "InvalidPartNumbers",
    applies: (fields) => parts(fields) > 1 && "checksum_sha256" in fields,
    says: ["part_numbers", "With checksum_sha256: one part"],
    example: ["open", "/uploadPart", { ...UPLOAD, checksum_sha256: DIGEST }],
  },
  "parts that are too much together": {
    code: "EntityTooLarge",
    applies: (fields, { maxObjectBytes = Infinity }) =>
      parts(fields) * Number(fields["content_length"]) > maxObjectBytes,
    says: ["part_numbers", "Together they have at most what a payload may have"],
    example: ["strict", "/uploadPart", { ...UPLOAD, content_length: 501 }],
  },
  "a body over the stage's cap": {
    code: "EntityTooLarge",
    applies: (fields, { maxObjectBytes = Infinity }) => payload(fields).length > maxObjectBytes,
    says: ["413", "the payload that it announces or holds over what S3, SQS or this stage takes"],
    example: ["strict", "/sendMessage", { object_key: "a", content_type: "image/png", body: base64(1001) }],
  },
  "a body that does not fit with the rest": {
    code: "EntityTooLarge",
    applies: (fields) => payload(fields).length > LIMITS.messageBytes - 4000,
    says: ["body", "With its key, type and metadata it has to fit into a message of 256 KiB"],
    example: ["open", "/sendMessage", { object_key: "a", body: base64(LIMITS.messageBytes) }],
  },
  "another digest than the body's": {
    code: "BadDigest",
    applies: (fields) =>
      fields["checksum_sha256"] !== createHash("sha256").update(payload(fields)).digest("base64"),
    says: ["checksum_sha256", "another body is refused"],
    example: ["open", "/sendMessage", { object_key: "a", body: "Y2F0", checksum_sha256: DIGEST }],
  },
};

test.each(Object.entries(EXCEPTIONS))(
  "a request that the schemas take is refused, as the description says in words: %s",
  async (_, { code, applies, says: [what, words], example: [stage, route, body] }) => {
    const { takes, ask, words: wordsOf } = stageOf(stage);
    const { status, body: answer } = await ask(route, body);
    expect([takes(route, body), status >= 400, answer.error?.code]).toEqual([true, true, code]);
    expect(applies(body, STAGES[stage] as ApiRules)).toBe(true);
    expect(wordsOf(route, what)).toContain(words);
  },
);

test.each(Object.entries(STAGES))(
  "the functions of a stage take what its schemas take, but for what they say in words, and answer as they say: %s",
  async (stage, rules) => {
    const { actions, takes, answers, ask } = stageOf(stage);
    const isInWords = (code: string | undefined, body: Fields) =>
      Object.values(EXCEPTIONS).some(
        (exception) => exception.code === code && exception.applies(body, rules),
      );
    const counts = { taken: 0, refused: 0, "refused in words": 0 };
    await fc.assert(
      fc.asyncProperty(fc.oneof(...actions.map(requestOf)), async ({ route, body }) => {
        const { status, body: answer } = await ask(route, body);
        const fit = takes(route, body);
        const verdict = fit ? (status === 200 ? "taken" : "refused in words") : "refused";
        counts[verdict] += 1;
        expect([status, answers(route, status, answer)]).toEqual([status, true]);
        expect([answer, status === 200]).toEqual([answer, verdict === "taken"]);
        expect([answer, isInWords(answer.error?.code, body) || verdict !== "refused in words"]).toEqual([
          answer,
          true,
        ]);
      }),
      { numRuns: 2000 },
    );
    // Otherwise this says nothing of the one or the other.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(50);
  },
);
