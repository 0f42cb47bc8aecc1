import { type PageSettings, buildPage } from "../functions/upload-form/build";
import { type Bundle, bundle } from "./constructs/bundle";

/** The upload form's code, with the page that it answers. */
export function bundleForm(settings: PageSettings): Bundle {
  return bundle("functions/upload-form/index.ts", {
    files: { "page.json": JSON.stringify(buildPage(settings)) },
  });
}
