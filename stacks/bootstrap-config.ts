import type { Place } from "./arns";
import {
  ConfigurationError,
  PLACE_RULES,
  type Rules,
  type StageConfig,
  validateProperties,
  validateStages,
} from "./stage";

/** What is made once an account, before any stage. */
export interface BootstrapConfig extends Place {
  /** The stages that live there: what their roles may do depends on what a destroy of them takes away. */
  readonly stages: readonly StageConfig[];
  /**
   * Whose workflows may plan and deploy.
   * @default nobody's: there are no roles for a pipeline, and people deploy with their own rights
   */
  readonly github?: GitHubConfig;
  /**
   * Whether the region's API Gateway gets a role to write logs with, which `apiLogs` of a stage needs. There is one a
   * region: say false where something else in the account sets it.
   * @default true
   */
  readonly apiGatewayAccount?: boolean;
}

/** A repository on github.com. */
export interface GitHubConfig {
  /** owner/name, as in its URL. */
  readonly repository: string;
  /**
   * The owner's number and the repository's, which are never given to anybody else:
   * `gh api repos/OWNER/NAME --jq '.owner.id, .id'`. GitHub puts both into the subjects of repositories that were made or renamed
   * since July 2026; with them, the roles also refuse whoever takes over the names later.
   * @default the subjects hold names alone
   */
  readonly ownerId?: string;
  readonly repositoryId?: string;
  /**
   * The branch that is deployed, whose workflows may plan as pull requests do.
   * @default "main"
   */
  readonly branch?: string;
  /**
   * Whether the account has GitHub's OIDC provider already: there can be one, and another app may own it.
   * @default false: it is made here
   */
  readonly oidcProviderExists?: boolean;
}

const matches = (pattern: RegExp) => (value: unknown) => typeof value === "string" && pattern.test(value);
const orNone = (fit: (value: unknown) => boolean) => (value: unknown) => value === undefined || fit(value);
const flag = (value: unknown) => typeof value === "boolean";
const id = matches(/^[1-9]\d{0,19}$/);

const RULES: Rules<keyof BootstrapConfig> = {
  ...PLACE_RULES,
  stages: [(value) => Array.isArray(value) && value.length > 0, "the stages that live there, at least one"],
  github: [orNone((value) => typeof value === "object" && value !== null), "{ repository, … }, or left out"],
  apiGatewayAccount: [orNone(flag), "true or false, or left out"],
};

// A wildcard would let others in. https://docs.github.com/en/rest/repos/repos
const GITHUB_RULES: Rules<keyof GitHubConfig> = {
  repository: [matches(/^[A-Za-z0-9][A-Za-z0-9-]*\/[\w.-]+$/), "owner/name of a repository on github.com"],
  ownerId: [orNone(id), 'the number of the repository\'s owner, in quotes: "123456", or left out'],
  repositoryId: [orNone(id), 'the number of the repository, in quotes: "456789", or left out'],
  branch: [orNone(matches(/^[\w./-]+$/)), "a branch's name, or left out"],
  oidcProviderExists: [orNone(flag), "true or false, or left out"],
};

/**
 * @throws ConfigurationError that names the property, what was given and what is allowed
 */
export function validateBootstrap(config: BootstrapConfig): void {
  validateProperties(config, RULES, "bootstrap.ts");
  validateStages(config.stages);
  if (!config.github) return;
  validateProperties(config.github, GITHUB_RULES, "bootstrap.ts, github");
  const { ownerId, repositoryId } = config.github;
  if ((ownerId === undefined) !== (repositoryId === undefined)) {
    throw new ConfigurationError(
      "bootstrap.ts, github: ownerId and repositoryId go together, since a subject has both or none.",
    );
  }
}
