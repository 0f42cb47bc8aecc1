import { type KeyObject, generateKeyPairSync, sign } from "node:crypto";

/** A value of ASN.1 in DER: https://www.itu.int/rec/T-REC-X.690 */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...contents: readonly Buffer[]) => der(0x30, ...contents);
const oid = (...bytes: readonly number[]) => der(0x06, Buffer.from(bytes));
const time = (date: Date) =>
  der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`));
const pem = (bytes: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;

/** A certificate of a host that has signed itself, good for an hour: https://www.rfc-editor.org/rfc/rfc5280 */
export function selfSigned(host: string): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const name = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(host)))));
  const now = Date.now();
  const alternativeNames = der(0x04, sequence(der(0x82, Buffer.from(host))));
  const unsigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(now - 3_600_000)), time(new Date(now + 3_600_000))),
    name,
    spki(publicKey),
    der(0xa3, sequence(sequence(oid(0x55, 0x1d, 0x11), alternativeNames))),
  );
  const signature = sign("sha256", unsigned, privateKey);
  const cert = pem(sequence(unsigned, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature)));
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

const spki = (key: KeyObject) => key.export({ type: "spki", format: "der" });
