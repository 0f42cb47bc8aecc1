import { join } from "node:path";
import { App } from "cdktf";
import { PLACE, STAGES } from "./main";
import type { BootstrapConfig } from "./stacks/bootstrap-config";
import { runApp } from "./stacks/report";
import { StateStack } from "./stacks/state-stack";

/** What is made once, before any stage: `npm run bootstrap`. */
export const BOOTSTRAP: BootstrapConfig = {
  ...PLACE,
  stages: STAGES.filter(({ accountId, region }) => accountId === PLACE.accountId && region === PLACE.region),
  // Whose workflows may plan and deploy: your repository, and its numbers (see README.md).
  // github: { repository: "OWNER/NAME", ownerId: "123456", repositoryId: "456789" },
};

/** The stack's name. */
export const BOOTSTRAP_STACK = "bootstrap";

/** A folder of its own, so that no `cdktf deploy '*'` of the stages ever sees it. */
export const BOOTSTRAP_OUTDIR = join(__dirname, "bootstrap.out");

/** Nothing is synthesized by importing this file. */
export function createBootstrap(config = BOOTSTRAP, outdir = BOOTSTRAP_OUTDIR): App {
  const app = new App({ outdir });
  new StateStack(app, BOOTSTRAP_STACK, config);
  return app;
}

if (require.main === module) runApp(() => createBootstrap());
