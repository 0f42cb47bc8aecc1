import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename, dirname } from "node:path";
import { type Contender, type Done, type Endpoints, newKey, peakMb } from "./contender";

/** How often its memory is looked at: what it had at most is kept by the system until it ends. */
const LOOK_MS = 20;

/** @throws Error where it fails */
async function aws({ s3Endpoint }: Endpoints, from: string, to: string, recursive: boolean): Promise<number> {
  const args = ["--endpoint-url", s3Endpoint, "s3", "cp", from, to, "--only-show-errors"];
  const child = spawn("aws", recursive ? [...args, "--recursive"] : args, {
    stdio: ["ignore", "inherit", "inherit"],
  });
  let peak = NaN;
  const look = setInterval(() => (peak = peakMb(child.pid) || peak), LOOK_MS);
  const [code] = (await once(child, "close")) as [number | null];
  clearInterval(look);
  if (code !== 0) throw new Error(`aws s3 cp ${from} ${to} ended with ${code}.`);
  return peak;
}

/** Amazon's command, as it is set up here. Several files are a folder to it. */
export const contender: Contender = {
  produce: async (chain, files) => {
    const [first = ""] = files;
    const several = files.length > 1;
    const key = newKey(several ? "" : basename(first));
    return async (): Promise<Done> => {
      const to = `s3://${chain.bucketName}/${key}`;
      const peak = await aws(chain, several ? dirname(first) : first, to, several);
      return { keys: several ? files.map((file) => key + basename(file)) : [key], peakMb: peak };
    };
  },
  consume: async (chain, keys, folder) => {
    const [first = ""] = keys;
    const several = keys.length > 1;
    const from = `s3://${chain.bucketName}/${several ? `${dirname(first)}/` : first}`;
    return async () => ({ peakMb: await aws(chain, from, `${folder}/`, several) });
  },
};
