import { createHash } from "node:crypto";
import { type Action, type ActionName, hasUrl } from "../sign-url/actions";
import { RequestError } from "../sign-url/errors";
import { newKey } from "../sign-url/keys";
import { LIMITS } from "../sign-url/limits";
import type { Log } from "../sign-url/log";
import { answerJson, answering, readBody } from "../sign-url/proxy";
import { parseRequest } from "../sign-url/request";
import type { SenderEnvironment } from "./environment";
import { messageBytes, messageOf } from "./message";
import { type SqsOptions, createSqs } from "./sqs";

const ACTION = "sendMessage" satisfies ActionName;

/** The fields, once they are checked. */
interface Fields {
  readonly object_key: string;
  readonly body: string;
  readonly content_type?: string;
  readonly checksum_sha256?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly client_token?: string;
}

const isOwn = (action: Action): action is Action => !hasUrl(action);

const tooLarge = (message: string) => new RequestError(413, "EntityTooLarge", message);

/**
 * The sender: a Lambda handler behind API Gateway's proxy integration that puts a small payload on the queue, in the
 * message itself. API Gateway asks it for nothing but POST /sendMessage.
 *
 * @param options.log takes the line that is written for each request; by default none is
 */
export function createHandler(
  environment: SenderEnvironment,
  { log = () => {}, ...options }: SqsOptions & { readonly log?: Log } = {},
) {
  const send = createSqs(environment, options);
  // Whom the stage lets in is API Gateway's to say: here every producer is served.
  const rules = { ...environment, roles: ["producer"] } as const;

  return answering(async (event, asked) => {
    if (event.httpMethod !== "POST" || event.resource !== `/${ACTION}`) {
      throw new RequestError(404, "NoSuchRoute", `There is nothing here but POST /${ACTION}.`);
    }
    asked.action = ACTION;
    const request = parseRequest(ACTION, readBody(event), rules, isOwn);
    const {
      object_key: name,
      body,
      client_token,
      checksum_sha256: declared,
      ...fields
    } = request.fields as unknown as Fields;
    asked.name = name;
    const payload = Buffer.from(body, "base64");
    const { maxObjectBytes } = environment;
    if (maxObjectBytes !== undefined && payload.length > maxObjectBytes) {
      throw tooLarge(
        `A payload of ${payload.length} bytes is over the ${maxObjectBytes} that it may have here.`,
      );
    }
    const checksum_sha256 = createHash("sha256").update(payload).digest("base64");
    const announcement = {
      source: "tweedle",
      object_key: newKey(name, client_token),
      size: payload.length,
      checksum_sha256,
      ...fields,
    } as const;
    const bytes = messageBytes(announcement);
    if (bytes > LIMITS.messageBytes) {
      throw tooLarge(
        `With this payload the message has ${bytes} bytes, and may have ${LIMITS.messageBytes}: use putObject.`,
      );
    }
    if (declared !== undefined && declared !== checksum_sha256) {
      throw new RequestError(
        400,
        "BadDigest",
        `checksum_sha256 must be the body's own SHA-256, which is ${checksum_sha256}.`,
      );
    }
    const message_id = await send(messageOf(announcement, body));
    return answerJson(200, { action: ACTION, object_key: announcement.object_key, message_id });
  }, log);
}
