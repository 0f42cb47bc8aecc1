import { ROLES } from "../functions/sign-url/actions";
import { bundleSigner } from "../stacks/signer";
import { signature } from "./bare";
import { usualBundle } from "./bundle";
import type { Call } from "./call";
import { ENVIRONMENT, SIGNER_EVENT, functionsIn } from "./functions";
import { type Comparison, type Goal, row } from "./table";
import { medians, takeTurns } from "./turns";

const FRESH_PROCESSES = 25;
const WARM_PROCESSES = 9;
// What V8 needs to compile all that is hot: measured earlier, the usual signer would look twice as slow.
const WARM_UP_URLS = 6000;
const WARM_MS = 500;

const SMALL: Goal = { text: "ours at most 36,000", holds: (ours) => ours <= 36_000 };
const SEVEN_TIMES: Goal = { text: "usual / ours at least 7", holds: (_, [usual = NaN]) => usual >= 7 };

/** @throws Error where S3 would refuse the URL: its signature is not the one that we make by hand */
function checkUrl(name: string, { body }: Call): void {
  const { url = "no:url" }: { url?: string } = JSON.parse(body);
  const { host, pathname: path, searchParams: parameters } = new URL(url);
  const signed = parameters.get("X-Amz-Signature");
  parameters.delete("X-Amz-Signature");
  parameters.sort();
  const date = parameters.get("X-Amz-Date") ?? "";
  const scope = parameters.get("X-Amz-Credential")?.replace(/^\w+\//, "") ?? "";
  const secret = ENVIRONMENT.AWS_SECRET_ACCESS_KEY;
  const expected = signature({ secret, date, scope, host, path, query: parameters.toString() });
  if (!path.endsWith("/cat.jpg") || signed !== expected) {
    throw new Error(`The signer "${name}" does not answer a URL that S3 takes: ${body}`);
  }
}

/**
 * Our signer against the usual one and against bare node:crypto.
 *
 * @param folder where the bundles go
 */
export function compareSigners(folder: string): Comparison {
  const signers = [
    { name: "ours", code: bundleSigner({ roles: ROLES, maxObjectBytes: undefined }).code },
    { name: "usual", code: usualBundle("usual.ts") },
    { name: "bare", code: usualBundle("bare.ts") },
  ];
  const callFunction = functionsIn(folder, signers);
  function call(name: string, warmUpUrls = 0, warmMs = 0): Call {
    const result = callFunction(name, SIGNER_EVENT, warmUpUrls, warmMs);
    checkUrl(name, result);
    return result;
  }

  const fresh = takeTurns("a fresh signer", FRESH_PROCESSES, signers, ({ name }) => call(name));
  const warm = takeTurns("a warm signer", WARM_PROCESSES, signers, ({ name }) =>
    call(name, WARM_UP_URLS, WARM_MS),
  );
  const sizes = signers.map(({ code }) => Buffer.byteLength(code));
  const load = medians(fresh, ({ loadMs }) => loadMs);
  const first = medians(fresh, ({ firstMs }) => firstMs);
  const both = medians(fresh, ({ loadMs, firstMs }) => loadMs + firstMs);
  const warmUs = medians(warm, (result) => result.warmUs);
  return {
    title: "the signer",
    contenders: signers.map(({ name }) => name),
    rows: [
      row("bundle, bytes", sizes, SMALL),
      row("load, ms", load, SEVEN_TIMES),
      row("first URL, ms", first),
      row("load and first URL, ms", both),
      row("warm: a URL, µs", warmUs, SEVEN_TIMES),
      row(
        "warm: URLs a second",
        warmUs.map((us) => 1e6 / us),
      ),
    ],
    notes: [
      "usual: S3Client, PutObjectCommand, getSignedUrl, bundled as esbuild does by default.",
      "bare: node:crypto alone, without a check of anything.",
      `Medians of ${FRESH_PROCESSES} fresh and ${WARM_PROCESSES} warm processes each, in turns; each one's first URL is checked.`,
    ],
  };
}
