import { type ApiRules, openApi } from "../functions/sign-url/openapi";
import { type Bundle, bundle } from "./constructs/bundle";

/** The signer's code, with the description of the API that it answers GET /openapi.json with. */
export function bundleSigner(rules: ApiRules): Bundle {
  return bundle("functions/sign-url/index.ts", {
    files: { "openapi.json": JSON.stringify(openApi(rules)) },
    alias: { "@aws-sdk/signature-v4-multi-region": "./functions/sign-url/single-region" },
    // Code that is shaken off would load it, if it were there, and esbuild then keeps what both of them use.
    external: ["@smithy/core/event-streams"],
  });
}
