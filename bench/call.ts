import type { handler as Handler } from "./bare";

/** What one process measured of a signer; firstMs is from loaded to the first URL. */
export type Call = Readonly<Record<"loadMs" | "firstMs" | "warmUs", number> & { body: string }>;

const [bundle = "", event = "", warmUpUrls = "", warmMs = ""] = process.argv.slice(2);

/** Runs in a process of its own: loads the bundle, asks it for a URL, and then for as many as there is time for. */
async function main(): Promise<void> {
  const request = JSON.parse(event);
  const start = performance.now();
  const { handler }: { handler: typeof Handler } = require(bundle);
  const loaded = performance.now();
  const { body } = await handler(request);
  const answered = performance.now();

  for (let urls = 0; urls < Number(warmUpUrls); urls++) await handler(request);
  const warm = performance.now();
  const end = warm + Number(warmMs);
  let urls = 0;
  for (; performance.now() < end; urls++) await handler(request);
  const warmUs = ((performance.now() - warm) * 1000) / urls;

  const call: Call = { loadMs: loaded - start, firstMs: answered - loaded, warmUs, body };
  console.error(JSON.stringify(call));
}

void main();
