import { createHash, randomUUID } from "node:crypto";
import { LIMITS } from "../../functions/sign-url/limits";
import { messageBytes } from "../../functions/send-message/message";
import { newKey } from "../../functions/sign-url/keys";
import type { Context, Fields, Produced } from "./context";
import type { Source } from "./source";

/**
 * Sends a small payload in the queue's message itself.
 *
 * @returns undefined where the stage has no such action, or the message would be too large for the queue
 */
export async function sendMessage(
  { api, progress, signal }: Context,
  source: Source,
  fields: Fields,
): Promise<Produced | undefined> {
  if (!(await api.has("sendMessage", signal))) return undefined;
  const { size } = source;
  const bytes = Buffer.concat((await source.read(0, size).toArray()) as Buffer[]);
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
  const { object_key: key } = await api.ask<{ object_key: string }>("sendMessage", asked, signal);
  progress.add(size);
  return { key, size, via: "sendMessage", parts: 1, checksum };
}
