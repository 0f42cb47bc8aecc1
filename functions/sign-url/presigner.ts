import { S3RequestPresigner } from "@aws-sdk/s3-request-presigner";
import { encode } from "./encode";
import type { Environment } from "./environment";
import { Sha256 } from "./sha256";

/** An S3 request that is to be signed. Header names in lower case; every header is signed and must be sent as it is. */
export interface S3Request {
  readonly method: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

const encodeKey = (key: string) => key.split("/").map(encode).join("/");

/**
 * Signs S3 requests as URLs, without a client and without the network.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export class Presigner {
  readonly #presigner: S3RequestPresigner;
  readonly #endpoint: { protocol: string; hostname: string; port?: number };
  readonly #origin: string;
  /** The session token as a URL holds it: some 900 characters that are the same in every one. */
  readonly #token: string;
  readonly #basePath: string;

  constructor({ bucketName, region, credentials, endpoint }: Environment) {
    this.#presigner = new S3RequestPresigner({ region, credentials, sha256: Sha256 });
    this.#endpoint = endpoint
      ? {
          protocol: endpoint.protocol,
          hostname: endpoint.hostname,
          ...(endpoint.port && { port: Number(endpoint.port) }),
        }
      : { protocol: "https:", hostname: `${bucketName}.s3.${region}.amazonaws.com` };
    this.#token = encode(credentials.sessionToken ?? "");
    this.#origin = endpoint ? endpoint.origin : `https://${this.#endpoint.hostname}`;
    this.#basePath = endpoint ? `/${bucketName}/` : "/";
  }

  /**
   * @param expiresIn how long the URL lives, in seconds
   * @param signingDate when that time begins
   */
  async sign(
    { method, key, query, headers }: S3Request,
    expiresIn: number,
    signingDate: Date,
  ): Promise<string> {
    // Unsigned, a header binds nothing; hoisted into the query, S3 does not check a body against it.
    const names = Object.keys(headers);
    const { path, query: parameters = {} } = await this.#presigner.presign(
      {
        method,
        ...this.#endpoint,
        path: this.#basePath + encodeKey(key),
        query: { ...query },
        headers: { ...headers },
      },
      {
        expiresIn,
        signingDate,
        signableHeaders: new Set(["host", ...names]),
        unhoistableHeaders: new Set(names),
      },
    );
    let search = "";
    for (const [name, value] of Object.entries(parameters)) {
      search += `${search && "&"}${name}=${name === "X-Amz-Security-Token" ? this.#token : encode(String(value))}`;
    }
    return `${this.#origin}${path}?${search}`;
  }
}
