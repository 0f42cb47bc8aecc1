import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ROLES } from "../functions/sign-url/actions";
import { openApi } from "../functions/sign-url/openapi";
import { buildPage } from "../functions/upload-form/build";
import { bundleForm } from "../stacks/form";
import { bundleSigner } from "../stacks/signer";
import type { Call } from "./call";
import { SIGNER_EVENT, functionsIn } from "./functions";
import { type Comparison, type Goal, row } from "./table";
import { medians, takeTurns } from "./turns";

const FRESH_PROCESSES = 15;
const RULES = { roles: ROLES };
const SETTINGS = { title: "Bench", maxObjectBytes: undefined, contentTypes: undefined };
const SMALL: Goal = { text: "the page at most 16 KiB", holds: (ours) => ours <= 16 * 1024 };
const NO_SLOWER: Goal = { text: "no slower than the signer", holds: (_, [signer = NaN]) => signer >= 1 };

const EVENTS = {
  form: { httpMethod: "GET", resource: "/", headers: {}, body: null, isBase64Encoded: false },
  signer: SIGNER_EVENT,
};

/**
 * The upload form's function beside the signer, which it is no part of: neither waits for the other at a cold start.
 *
 * @param folder where the bundles go
 */
export function compareForm(folder: string): Comparison {
  const page = buildPage(SETTINGS);
  const contenders = [
    { name: "form", code: bundleForm(SETTINGS).code },
    { name: "signer", code: bundleSigner(RULES).code },
  ] as const;
  const place = join(folder, "form");
  const callFunction = functionsIn(place, contenders);
  // The form reads it from beside itself, as in its zip.
  writeFileSync(join(place, "page.json"), JSON.stringify(page));
  function call(name: keyof typeof EVENTS): Call {
    const result = callFunction(name, EVENTS[name]);
    if (name === "form" && result.body !== page.html) throw new Error("The form does not answer its page.");
    return result;
  }

  const fresh = takeTurns("a fresh function", FRESH_PROCESSES, contenders, ({ name }) => call(name));
  return {
    title: "the upload form",
    contenders: contenders.map(({ name }) => name),
    rows: [
      row(
        "bundle, bytes",
        contenders.map(({ code }) => Buffer.byteLength(code)),
      ),
      row(
        "page or description, gzipped",
        [page.html, JSON.stringify(openApi(RULES))].map((text) => gzipSync(text).length),
        SMALL,
      ),
      row(
        "load and first answer, ms",
        medians(fresh, ({ loadMs, firstMs }) => loadMs + firstMs),
        NO_SLOWER,
      ),
    ],
    notes: [`Medians of ${FRESH_PROCESSES} fresh processes each, in turns; each one's page is checked.`],
  };
}
