import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { ACTIONS, type Action, hasUrl } from "../../functions/sign-url/actions";
import { type Environment, readEnvironment } from "../../functions/sign-url/environment";
import { newKey } from "../../functions/sign-url/keys";
import { DIGEST, ENVIRONMENT, NOW, parse, signer } from "./tools";

// New keys are random; the SDK must sign the very same one.
jest.mock("node:crypto", () => ({
  ...jest.requireActual<object>("node:crypto"),
  randomUUID: () => "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab",
}));

const NAMES = [
  "cat.jpg",
  "a b+c%20d",
  "!'()*~-._",
  '&$@=;:,?#[]{}^|`"<>',
  "umlaut ü/emoji 😀/한글",
  "%2e%2e%2f",
  "folder/…/deep/cat.jpg",
];

const METADATA = { author: "Lewis Carroll", "x.y_z-1": "a=b&c;d" };

/** An action's fields, and the SDK's command for the same. */
const CASES: Record<
  string,
  (key: string, name: string) => [fields: object, command: unknown, headers: string[]]
> = {
  putObject: (Key, object_key) => [
    {
      object_key,
      content_type: "image/jpeg",
      content_length: 7,
      checksum_sha256: DIGEST,
      metadata: METADATA,
      if_none_match: "*",
      client_token: "6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab",
    },
    new PutObjectCommand({
      ...input(Key),
      ContentType: "image/jpeg",
      ContentLength: 7,
      ChecksumSHA256: DIGEST,
      Metadata: METADATA,
      IfNoneMatch: "*",
    }),
    [
      "content-type",
      "content-length",
      "x-amz-checksum-sha256",
      "x-amz-meta-author",
      "x-amz-meta-x.y_z-1",
      "if-none-match",
    ],
  ],
  createMultipartUpload: (Key, object_key) => [
    { object_key, content_type: "image/jpeg", metadata: METADATA, checksum_algorithm: "SHA256" },
    new CreateMultipartUploadCommand({
      ...input(Key),
      ContentType: "image/jpeg",
      Metadata: METADATA,
      ChecksumAlgorithm: "SHA256",
    }),
    ["content-type", "x-amz-meta-author", "x-amz-meta-x.y_z-1", "x-amz-checksum-algorithm"],
  ],
  uploadPart: (Key, object_key) => [
    {
      object_key: newKey(object_key),
      upload_id: "u_1.~+/=",
      part_numbers: [7],
      content_length: 7,
      checksum_sha256: DIGEST,
    },
    new UploadPartCommand({
      ...input(Key),
      UploadId: "u_1.~+/=",
      PartNumber: 7,
      ContentLength: 7,
      ChecksumSHA256: DIGEST,
    }),
    ["content-length", "x-amz-checksum-sha256"],
  ],
  completeMultipartUpload: (Key, object_key) => [
    { object_key: newKey(object_key), upload_id: "u", content_length: 12, if_none_match: "*" },
    new CompleteMultipartUploadCommand({ ...input(Key), UploadId: "u", MpuObjectSize: 12, IfNoneMatch: "*" }),
    ["x-amz-mp-object-size", "if-none-match"],
  ],
  abortMultipartUpload: (Key, object_key) => [
    { object_key: newKey(object_key), upload_id: "u" },
    new AbortMultipartUploadCommand({ ...input(Key), UploadId: "u" }),
    [],
  ],
  listParts: (Key, object_key) => [
    { object_key: newKey(object_key), upload_id: "u", part_number_marker: 1000 },
    new ListPartsCommand({ ...input(Key), UploadId: "u", PartNumberMarker: "1000" }),
    [],
  ],
  getObject: (Key, object_key) => [
    { object_key: newKey(object_key), version_id: "v", checksum_mode: "ENABLED" },
    new GetObjectCommand({
      ...input(Key),
      VersionId: "v",
      ResponseContentDisposition: "attachment",
      ChecksumMode: "ENABLED",
    }),
    ["x-amz-checksum-mode"],
  ],
  headObject: (Key, object_key) => [
    { object_key: newKey(object_key), version_id: "v", checksum_mode: "ENABLED" },
    new HeadObjectCommand({ ...input(Key), VersionId: "v", ChecksumMode: "ENABLED" }),
    ["x-amz-checksum-mode"],
  ],
  deleteObject: (Key, object_key) => [
    { object_key: newKey(object_key), version_id: "v" },
    new DeleteObjectCommand({ ...input(Key), VersionId: "v" }),
    [],
  ],
};

const input = (Key: string) => ({ Bucket: ENVIRONMENT.bucketName, Key });

/** The SDK's URL for a command, by the same clock and credentials. */
async function sdkUrl(command: unknown, headers: string[], environment: Environment): Promise<URL> {
  const client = new S3Client({
    region: environment.region,
    credentials: environment.credentials,
    // Otherwise the SDK signs the checksum of an empty body into the URL, and asks for checksums of what it reads.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(environment.endpoint && { endpoint: environment.endpoint.href, forcePathStyle: true }),
  });
  // x-id tells the SDK's own logs which operation it was. It says nothing to S3, so we leave it out.
  client.middlewareStack.add(
    (next) => (args) => {
      delete (args.request as { query: Record<string, string> }).query["x-id"];
      return next(args);
    },
    { step: "build", priority: "low" },
  );
  const url = await getSignedUrl(client, command as PutObjectCommand, {
    expiresIn: 100,
    signingDate: NOW,
    signableHeaders: new Set(["host", ...headers]),
    unhoistableHeaders: new Set(headers),
  });
  return new URL(url);
}

/** A URL whose parameters have an order. */
const ordered = ({ origin, pathname, searchParams }: URL) => ({
  origin,
  pathname,
  parameters: [...searchParams].map(([name, value]) => `${name}=${value}`).toSorted(),
});

const LAMBDA = {
  ...ENVIRONMENT,
  ...readEnvironment({
    BUCKET_NAME: ENVIRONMENT.bucketName,
    ROLES: "producer,consumer",
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "secret",
  }),
};
const LOCAL = { ...ENVIRONMENT, endpoint: new URL("http://127.0.0.1:4601") };

const URL_ACTIONS = Object.entries<Action>(ACTIONS).flatMap(([name, action]) =>
  hasUrl(action) ? [name] : [],
);

describe("a URL equals the SDK's getSignedUrl up to the order of its parameters", () => {
  test("for every action of the table that has one", () => {
    expect(Object.keys(CASES)).toEqual(URL_ACTIONS);
  });

  describe.each(URL_ACTIONS)("%s", (action) => {
    test.each(NAMES)("of %j", async (name) => {
      const [fields, command, headers] = CASES[action]?.(newKey(name), name) ?? [{}, undefined, []];
      for (const environment of [ENVIRONMENT, LAMBDA, LOCAL]) {
        const answer = parse(await signer(environment)(`/${action}`, fields));
        const url = new URL(answer.url ?? answer.parts[0]?.url);
        expect(Object.keys(answer.headers).toSorted()).toEqual(headers.toSorted());
        expect(ordered(url)).toEqual(ordered(await sdkUrl(command, headers, environment)));
      }
    });
  });
});
