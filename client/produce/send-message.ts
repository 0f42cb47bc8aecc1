import { createHash, randomUUID } from "node:crypto";
import { LIMITS } from "../../functions/sign-url/limits";
import { messageBytes } from "../../functions/send-message/message";
import { newKey } from "../../functions/sign-url/keys";
import { TweedleError } from "../errors";
import type { Context, Fields, Produced } from "./context";
import type { Source } from "./source";

interface Sent {
  readonly object_key: string;
  readonly message_id: string;
}

/**
 * Sends a small payload in the queue's message itself.
 *
 * @param check a last look at what was read, which throws where it must not be sent
 * @returns undefined where the stage has no such action, or the message would be too large for the queue
 */
export async function sendMessage(
  context: Context,
  source: Source,
  fields: Fields,
  check?: () => Promise<void>,
): Promise<Produced | undefined> {
  const { api, progress } = context;
  const { size } = source;
  if (size > LIMITS.messageBytes || api.lacks("sendMessage")) return undefined;
  const bytes = Buffer.concat((await source.read(0, size).toArray()) as Buffer[]);
  await check?.();
  const checksum = createHash("sha256").update(bytes).digest("base64");
  // The token makes all tries one message, as far as consumers see: they know it by its key.
  const client_token = randomUUID();
  const { object_key: name, ...facts } = fields;
  const object_key = newKey(name, client_token);
  const bytesOnQueue = messageBytes({
    source: "tweedle",
    object_key,
    size,
    checksum_sha256: checksum,
    ...facts,
  });
  if (bytesOnQueue > LIMITS.messageBytes) return undefined;
  const asked = { ...fields, checksum_sha256: checksum, client_token, body: bytes.toString("base64") };
  let sent: Partial<Sent>;
  try {
    sent = await api.ask<Partial<Sent>>("sendMessage", asked, context);
  } catch (error) {
    if (api.lacks("sendMessage")) return undefined;
    throw error;
  }
  const { object_key: key, message_id } = sent;
  if (key !== object_key || !message_id) {
    throw new TweedleError("Refused", "The API's answer does not say that the message was sent.");
  }
  progress.add(size);
  return { key, size, via: "sendMessage", parts: 1, checksum };
}
