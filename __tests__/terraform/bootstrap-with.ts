import { command } from "../../deployment/bootstrap";
import { run } from "../../local/command";
import type { BootstrapConfig } from "../../stacks/bootstrap-config";

/* npm run bootstrap, of another configuration than bootstrap.ts: [config as JSON] [outdir] [options…] */
const [config = "", outdir = "", ...args] = process.argv.slice(2);
void run(() => command(JSON.parse(config) as BootstrapConfig, outdir, args));
