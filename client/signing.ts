import { memoize } from "@smithy/core/config";
import { type Signer, signedHeaders } from "../functions/send-message/signed-headers";
import { AccessRefusedError, TweedleError } from "./errors";
import { regionOf } from "./region";

/** Credentials are replaced this long before they expire, in milliseconds. */
const MARGIN_MS = 5 * 60_000;

export type Credentials = Signer["credentials"] & { readonly expiration?: Date };

/**
 * Gives credentials: what the AWS SDK calls a provider.
 *
 * @param options.forceRefresh whether those that it gave before are refused: it gives others, if it can
 */
export type CredentialProvider = (options?: { readonly forceRefresh?: boolean }) => Promise<Credentials>;

export interface SigningOptions {
  readonly credentials: CredentialProvider;
  /** The region, where the API's host name states none. @default the AWS SDK's, from AWS_REGION or a profile */
  readonly region: string | undefined;
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Makes a function that signs POST requests to an API. Credentials are kept until shortly before they expire: to look them up may
 * take a process or a request.
 *
 * @returns the headers of a request, signed with other credentials than before where those were refused; rejects with
 *   AccessRefusedError, where credentials or the region are missing, and with TweedleError Unavailable, where credentials
 *   cannot be renewed
 */
export function createSigning({ credentials, region, now }: SigningOptions) {
  let areRefused = false;
  let hasSigned = false;
  const cached = memoize(
    () => credentials({ forceRefresh: areRefused }),
    ({ expiration }) => expiration !== undefined && expiration.getTime() - now() < MARGIN_MS,
    ({ expiration }) => expiration !== undefined,
  );
  return async (url: URL, body: string, wasRefused: boolean): Promise<Record<string, string>> => {
    areRefused = wasRefused;
    try {
      const signer = {
        service: "execute-api",
        region: regionOf(url.hostname) ?? region ?? (await sdkRegion(url.hostname)),
        credentials: await cached({ forceRefresh: wasRefused }),
        date: new Date(now()),
      };
      const headers = await signedHeaders(url, body, signer);
      hasSigned = true;
      return headers;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      // Credentials that were there before may be there again: their service is out of reach.
      if (hasSigned)
        throw new TweedleError("Unavailable", `Credentials cannot be renewed: ${why}`, { cause });
      const message = `This stage wants its requests signed, and they cannot be: ${why}`;
      throw new AccessRefusedError("Refused", message, { cause });
    }
  };
}

/** The AWS SDK's region. The SDK is loaded only where it is asked. */
const sdkRegion = async (hostname: string): Promise<string> =>
  await (await import("./sqs")).regionFor(hostname);
