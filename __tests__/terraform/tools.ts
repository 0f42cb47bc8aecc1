import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { findChromium, onPath } from "../../local/chromium";

/** Where Terraform gets the AWS provider from. */
type ProviderSource =
  /** A CLI configuration file of this machine says so. */
  | { readonly configFile: string }
  /** The `provider_installation` of a CLI configuration file that we write. */
  | { readonly installation: string };

/** What some tests need beside npm's packages. */
export interface Tools {
  readonly curl: string;
  readonly terraform: string;
  readonly moto_server: string;
  /** A browser. */
  readonly chromium: string;
  /** A scanner of Terraform's configurations. */
  readonly checkov: string;
  readonly provider: ProviderSource;
}

export type Need = keyof Tools;

/** How each is found; undefined where it is missing. */
const FINDERS: { readonly [N in Need]: () => Tools[N] | undefined } = {
  curl: () => onPath("curl"),
  terraform: () => onPath("terraform"),
  moto_server: () => onPath("moto_server"),
  chromium: findChromium,
  checkov: () => onPath("checkov"),
  provider: findProvider,
};

/** What is missing, and how to get it. */
const REMEDIES: Readonly<Record<Need, string>> = {
  curl: "curl is not on the PATH: https://curl.se/download.html",
  terraform: "terraform is not on the PATH: https://developer.hashicorp.com/terraform/install",
  moto_server: "moto_server is not on the PATH: pip install 'moto[server]'",
  chromium:
    "chromium is not on the PATH: apt-get install chromium, or https://www.chromium.org/getting-involved/download-chromium",
  checkov: "checkov is not on the PATH: pip install checkov==3.3.30",
  provider:
    "Terraform's AWS provider is neither on this machine nor can registry.terraform.io be reached: " +
    "https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation",
};

/**
 * Looks for what is needed.
 *
 * @returns what was found, and a sentence for each that is missing
 */
export function findTools<N extends Need>(needs: readonly N[]): { tools: Pick<Tools, N>; missing: string[] } {
  const tools: Partial<Tools> = {};
  const missing: string[] = [];
  for (const need of needs) {
    // To search for the provider takes time, and is of no use without the rest.
    if (need === "provider" && missing.length > 0) continue;
    const tool = FINDERS[need]();
    if (tool === undefined) missing.push(REMEDIES[need]);
    else Object.assign(tools, { [need]: tool });
  }
  return { tools: tools as Pick<Tools, N>, missing };
}

/** The folder of the provider in a mirror. */
const PROVIDER = "registry.terraform.io/hashicorp/aws";

/** The cheap places first; the whole disk only where the registry cannot be reached. */
function findProvider(): ProviderSource | undefined {
  const configFile = process.env["TF_CLI_CONFIG_FILE"] ?? join(homedir(), ".terraformrc");
  if (existsSync(configFile) && /^\s*provider_installation\b/m.test(readFileSync(configFile, "utf8"))) {
    return { configFile };
  }
  const implied = impliedMirrors().find((folder) => existsSync(join(folder, PROVIDER)));
  if (implied !== undefined) return fromMirror(implied);
  if (reachesRegistry()) return { installation: "direct {\n  }" };
  const found = searchMirror();
  return found === undefined ? undefined : fromMirror(found);
}

const fromMirror = (folder: string): ProviderSource => ({
  installation: `filesystem_mirror {\n    path = ${JSON.stringify(folder)}\n  }`,
});

/** https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories */
function impliedMirrors(): string[] {
  const dataHome = process.env["XDG_DATA_HOME"] || join(homedir(), ".local/share");
  const dataFolders = (process.env["XDG_DATA_DIRS"] || "/usr/local/share:/usr/share").split(delimiter);
  return [
    join(homedir(), ".terraform.d/plugins"),
    ...[dataHome, ...dataFolders].map((folder) => join(folder, "terraform/plugins")),
  ];
}

function reachesRegistry(): boolean {
  const url = "https://registry.terraform.io/.well-known/terraform.json";
  const script = `fetch("${url}", { signal: AbortSignal.timeout(2000) }).then(({ ok }) => process.exit(ok ? 0 : 1))`;
  return spawnSync(process.execPath, ["--eval", script], { timeout: 4000 }).status === 0;
}

/** Looks for a mirror anywhere on the disk. */
function searchMirror(): string | undefined {
  const ignored = ["*/.terraform/*", "*/plugin-cache/*"].flatMap((path) => ["-not", "-path", path]);
  // It fails where it may not read a folder, and has found what it could.
  const { stdout } = spawnSync(
    "find",
    ["/", "-xdev", "-maxdepth", "8", "-type", "d", "-path", `*/${PROVIDER}`, ...ignored],
    { encoding: "utf8", timeout: 30_000 },
  );
  return stdout
    ?.split("\n")
    .find((path) => path !== "")
    ?.slice(0, -`/${PROVIDER}`.length);
}

/** The folder of the mirror that the provider comes from; undefined where it comes from the registry. */
export function mirrorOf(provider: ProviderSource): string | undefined {
  const text = "configFile" in provider ? readFileSync(provider.configFile, "utf8") : provider.installation;
  return /filesystem_mirror\s*\{[^}]*path\s*=\s*"([^"]*)"/.exec(text)?.[1];
}

/**
 * The variables that Terraform runs with: this process's, but for those that would lead it to somebody's account or
 * settings.
 *
 * @param folder where the CLI configuration file is written
 */
export function terraformEnvironment(
  provider: ProviderSource,
  folder: string,
): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(AWS|TF|CDKTF)_/.test(name));
  return {
    ...Object.fromEntries(inherited),
    TF_CLI_CONFIG_FILE:
      "configFile" in provider ? provider.configFile : writeConfig(provider.installation, folder),
    TF_IN_AUTOMATION: "1",
    CHECKPOINT_DISABLE: "1",
  };
}

function writeConfig(installation: string, folder: string): string {
  const path = join(folder, "terraform.rc");
  const cache = join(folder, "plugin-cache");
  mkdirSync(cache, { recursive: true });
  // Terraform's grammar wants blocks on lines of their own. With the cache, the provider is fetched once for all stacks.
  const config = `plugin_cache_dir = ${JSON.stringify(cache)}
plugin_cache_may_break_dependency_lock_file = true
provider_installation {
  ${installation}
}
`;
  writeFileSync(path, config);
  return path;
}
