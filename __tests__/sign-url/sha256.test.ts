import { createHash, createHmac } from "node:crypto";
import { Sha256 } from "../../functions/sign-url/sha256";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test.each<[string, (string | Uint8Array)[]]>([
  ["nothing", []],
  ["a text", ["abc"]],
  ["bytes", [Buffer.from([0, 255])]],
  ["a text and bytes", ["abc", Buffer.from([0, 255]), "ü"]],
])("the digest of %s, and keyed, is OpenSSL's", async (_, parts) => {
  const whole = Buffer.concat(parts.map((part) => Buffer.from(part)));
  for (const secret of [undefined, "secret", Buffer.from("secret")]) {
    const hash = new Sha256(secret);
    hash.update("forgotten");
    hash.reset();
    for (const part of parts) hash.update(part);
    const expected = secret === undefined ? createHash("sha256") : createHmac("sha256", secret);
    expect(hex(await hash.digest())).toBe(expected.update(whole).digest("hex"));
  }
});
