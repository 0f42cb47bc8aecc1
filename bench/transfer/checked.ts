import { createHash } from "node:crypto";
import { exchange, put, read, sign, signPut } from "./bare";
import { type Contender, atOnce, save } from "./contender";

/** The loopback with what nobody can leave out who is to be sure of every byte: its SHA-256, on both sides. */
export const contender: Contender = {
  produce: (chain, files) =>
    Promise.resolve(async () => ({
      keys: await atOnce(files, async (file) => {
        const hash = createHash("sha256");
        for await (const chunk of read(file)) hash.update(chunk as Buffer);
        const checksum_sha256 = hash.digest("base64");
        return await put(file, await signPut(chain, file, { checksum_sha256 }));
      }),
    })),
  consume: async (chain, keys, folder) => {
    const fields = { checksum_mode: "ENABLED" };
    const all = await atOnce(keys, (object_key) => sign(chain, "getObject", { object_key, ...fields }));
    return async () => {
      await atOnce(all, async (signed) => {
        const answer = await exchange("GET", signed);
        const hash = createHash("sha256");
        answer.on("data", (chunk: Buffer) => hash.update(chunk));
        await save(answer, folder, signed.object_key);
        if (hash.digest("base64") !== answer.headers["x-amz-checksum-sha256"])
          throw new Error(`${signed.object_key} is not what was sent.`);
      });
    };
  },
};
