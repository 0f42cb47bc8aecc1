import type { Environment } from "../../functions/sign-url/environment";
import { createHandler } from "../../functions/sign-url/handler";

/** When it is, in tests that sign. */
export const NOW = new Date("2026-11-23T12:34:56.789Z");

export const KEY = "input/6f1c2f6e-0a4b-4c1d-9e2f-0123456789ab/cat.jpg";

/** The base64 of 32 zero bytes. */
export const DIGEST = Buffer.alloc(32).toString("base64");

export const ENVIRONMENT: Environment = {
  bucketName: "tweedle-test-content",
  region: "eu-central-1",
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret", sessionToken: "token" },
  roles: ["producer", "consumer"],
  maxObjectBytes: undefined,
  endpoint: undefined,
};

/** A signer with some of its environment changed, and a function that asks it. */
export function signer(changes: Partial<Environment> = {}) {
  const handler = createHandler(
    { ...ENVIRONMENT, ...changes },
    { openApi: () => '{"openapi":"3.0.1"}', clock: () => NOW },
  );
  return (path: string, body: unknown, headers: Record<string, string> = {}, method = "POST") =>
    handler({
      httpMethod: method,
      resource: path,
      headers,
      body: typeof body === "string" || body === null ? body : JSON.stringify(body),
      isBase64Encoded: false,
    });
}

export interface Answer {
  action: string;
  object_key: string;
  method: string;
  url: string;
  parts: { part_number: number; url: string }[];
  headers: Record<string, string>;
  expires_at: string;
  max_object_bytes?: number;
  error: { code: string; message: string };
}

export const parse = ({ body }: { body: string }): Answer => JSON.parse(body) as Answer;
