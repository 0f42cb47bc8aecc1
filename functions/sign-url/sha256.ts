import { createHash, createHmac, hash } from "node:crypto";

type Data = Uint8Array | string;

/** SHA-256. Since Node 20.12 in one call, without an object for the garbage collector: a sixth of a URL's time. */
export const digest = (data: Data): Buffer =>
  hash ? hash("sha256", data, "buffer") : createHash("sha256").update(data).digest();

/** The SDK's hash interface over Node's own OpenSSL: the SDK's package for it would be half of the bundle. */
export class Sha256 {
  readonly #secret: Data | undefined;
  #data: Data = "";

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret as Data | undefined;
  }

  update(data: Data): void {
    this.#data = this.#data === "" ? data : Buffer.concat([Buffer.from(this.#data), Buffer.from(data)]);
  }

  digest(): Promise<Uint8Array> {
    const secret = this.#secret;
    return Promise.resolve(
      secret === undefined ? digest(this.#data) : createHmac("sha256", secret).update(this.#data).digest(),
    );
  }

  reset(): void {
    this.#data = "";
  }
}
