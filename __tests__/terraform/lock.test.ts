import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import { BOOTSTRAP } from "../../bootstrap";
import { PROVIDER_LOCK } from "../../stacks/provider-lock";
import { StateStack } from "../../stacks/state-stack";
import { describeWith } from "./describe-with";
import { run, stopProcesses } from "./processes";
import { mirrorOf, terraformEnvironment } from "./tools";

const ROOT = join(__dirname, "../..");
const TIMEOUT = 120_000;

describeWith(["terraform", "provider"], "npm run lock", ({ terraform, provider }) => {
  let folder: string;
  let file: string;
  let environment: Record<string, string | undefined>;
  let platform: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tweedle-lock-test-"));
    file = join(folder, "made.lock.hcl");
    environment = terraformEnvironment(provider, folder);
    const version = await run(terraform, ["version", "-json"], { cwd: folder, environment });
    ({ platform } = JSON.parse(version) as { platform: string });
  });

  afterAll(async () => {
    await stopProcesses();
    rmSync(folder, { recursive: true, force: true });
  });

  const lock = (...options: string[]) => {
    const mirror = mirrorOf(provider);
    const from = mirror === undefined ? [] : ["--fs-mirror", mirror];
    const args = ["--import", "tsx", "deployment/lock.ts", "--out", file, ...from, ...options];
    return run(process.execPath, args, { cwd: ROOT, environment });
  };

  /** A stack's folder, as it is synthesized beside a lock. */
  function synthesize(name: string, providerLock: string): string {
    const app = new App({ outdir: join(folder, name), context: { providerLock } });
    new StateStack(app, "stack", BOOTSTRAP);
    app.synth();
    return join(app.outdir, "stacks/stack");
  }
  const init = (cwd: string) =>
    run(terraform, ["init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly"], {
      cwd,
      environment,
    });

  test(
    "writes down which provider it is, by version and digest",
    async () => {
      expect(await lock("--platform", platform)).toMatch(/hashicorp\/aws \d+\.\d+\.\d+ for \w+\.\n$/);
      expect(readFileSync(file, "utf8")).toMatch(
        /provider "registry\.terraform\.io\/hashicorp\/aws" \{[^]*constraints = ">= 5\.100\.0, < 7\.0\.0"[^]*"h1:/,
      );
    },
    TIMEOUT,
  );

  test(
    "makes what a synth copies to every stack, where Terraform takes that provider",
    async () => {
      const stack = synthesize("good", file);
      expect(readFileSync(join(stack, PROVIDER_LOCK), "utf8")).toBe(readFileSync(file, "utf8"));
      await init(stack);
    },
    TIMEOUT,
  );

  test(
    "makes what Terraform takes no other provider with",
    async () => {
      const other = join(folder, "other.lock.hcl");
      writeFileSync(
        other,
        readFileSync(file, "utf8").replaceAll(/"(h1|zh):[^"]*"/g, `"h1:${"A".repeat(43)}="`),
      );
      await expect(init(synthesize("bad", other))).rejects.toThrow("checksums");
    },
    TIMEOUT,
  );

  test("leaves a stack without a lock where there is none", () => {
    expect(existsSync(join(synthesize("none", join(folder, "no-such-file")), PROVIDER_LOCK))).toBe(false);
  });

  test(
    "leaves the lock as it was where a platform has no such provider",
    async () => {
      const before = readFileSync(file, "utf8");
      await expect(lock("--platform", "plan9_mips")).rejects.toThrow("The lock is as it was.");
      expect(readFileSync(file, "utf8")).toBe(before);
    },
    TIMEOUT,
  );
});
