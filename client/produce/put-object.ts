import { randomUUID } from "node:crypto";
import { HttpError } from "../errors";
import { notOfS3, textOf } from "../http";
import { mayHaveWorked, retrying } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Context, Fields, Produced } from "./context";
import { type Source, changed, digestOf } from "./source";

/**
 * Puts a payload in one request, with its length and digest signed.
 *
 * @param check a last look at what was hashed, which throws where it must not be sent
 */
export async function putObject(
  { api, progress, retry, signal }: Context,
  source: Source,
  fields: Fields,
  check?: () => Promise<void>,
): Promise<Produced> {
  const { size } = source;
  const checksum = (await digestOf(source, 0, size, signal)).toString("base64");
  await check?.();
  const asked = {
    ...fields,
    content_length: size,
    checksum_sha256: checksum,
    if_none_match: "*",
    // One key for all URLs of this payload: a try whose answer was lost and the one after it are one object.
    client_token: randomUUID(),
    expires_in: EXPIRES_IN,
  };
  let key = "";
  const request = new SignedRequest(api.connections, async () => {
    const signed = await api.ask("putObject", asked, signal);
    key = signed.object_key;
    return signed;
  });
  let mayBeThere = false;
  await retrying(
    `Putting ${fields.object_key}`,
    () =>
      progress.attempt(size, async (sent) => {
        try {
          const response = await request.send({ body: () => sent(source.read(0, size)), signal });
          await textOf(response);
          if (!response.headers.etag) throw notOfS3("no ETag");
        } catch (error) {
          // Nobody else writes to this key: what is there is ours.
          if (mayBeThere && error instanceof HttpError && error.status === 412) return;
          mayBeThere ||= mayHaveWorked(error);
          throw changedOr(error, fields.object_key);
        }
      }),
    { signal, retry },
  );
  return { key, size, via: "putObject", parts: 1, checksum };
}

/** S3 refuses bytes that are not those of the digest: the file changed after it was read for it. */
export function changedOr(error: unknown, name: string): unknown {
  return error instanceof HttpError && error.code === "BadDigest" ? changed(name, { cause: error }) : error;
}
