import { randomUUID } from "node:crypto";
import { HttpError } from "../errors";
import { notOfS3 } from "../http";
import { outcomeUnknown, retry } from "../retry";
import { EXPIRES_IN, SignedRequest } from "../signed-request";
import type { Context, Fields, Produced } from "./context";
import { type Source, changed, digestOf } from "./source";

/**
 * Puts a payload in one request, with its length and digest signed.
 *
 * @param check a last look at what was hashed, which throws where it must not be sent
 */
export async function putObject(
  context: Context,
  source: Source,
  fields: Fields,
  check?: () => Promise<void>,
): Promise<Produced> {
  const { api, progress, signal } = context;
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
    const signed = await api.ask("putObject", asked, context);
    key = signed.object_key;
    return signed;
  });
  let mayBeThere = false;
  await retry(
    `Uploading ${fields.object_key}`,
    () =>
      progress.attempt(size, async (sent) => {
        try {
          const { headers } = await request.exchange({ body: () => sent(source.read(0, size)), signal });
          if (!headers.etag) throw notOfS3("no ETag");
        } catch (error) {
          // Nobody else writes to this key: what is there is ours.
          if (mayBeThere && error instanceof HttpError && error.status === 412) return;
          mayBeThere ||= outcomeUnknown(error);
          await throwIfChanged(error, fields.object_key, { source, start: 0, end: size, checksum, signal });
          throw error;
        }
      }),
    context,
  );
  return { key, size, via: "putObject", parts: 1, checksum };
}

/** Bytes that were hashed, and what their SHA-256 was, in base64. */
interface Hashed {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
  readonly checksum: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Finds out whether bytes were refused since their file changed after it was hashed, rather than damaged on their way:
 * then the same request may succeed. S3 says BadDigest, other engines have codes of their own.
 *
 * @throws FileChangedError
 */
export async function throwIfChanged(
  error: unknown,
  name: string,
  { source, start, end, checksum, signal }: Hashed,
): Promise<void> {
  if (!(error instanceof HttpError && error.status === 400)) return;
  const now = await digestOf(source, start, end, signal);
  if (!signal?.aborted && now.toString("base64") !== checksum) throw changed(name, { cause: error });
}
