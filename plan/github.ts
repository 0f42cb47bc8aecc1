import { HttpError } from "../client/errors";
import { type RetryOptions, retry } from "../client/retry";
import { PlanError } from "./terraform";

export interface GitHubOptions {
  readonly token: string;
  /** owner/name */
  readonly repository: string;
  /** @default https://api.github.com */
  readonly apiUrl?: string | undefined;
  /** @default Node's own */
  readonly fetch?: typeof fetch;
  readonly retry?: RetryOptions;
}

/** How many of a list GitHub gives at once. */
const PER_PAGE = 100;
/** A pull request has at most 3,000 files; nothing here is longer. */
const MOST_LIST_PAGES = 50;

/** A repository's REST API, as far as we need it: https://docs.github.com/rest */
export class GitHub {
  readonly #root: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof fetch;
  readonly #retry: RetryOptions;

  constructor({
    token,
    repository,
    apiUrl = "https://api.github.com",
    fetch: own,
    ...options
  }: GitHubOptions) {
    this.#root = `${apiUrl}/repos/${repository}`;
    this.#headers = {
      authorization: `Bearer ${token}`,
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
      "content-type": "application/json",
    };
    this.#fetch = own ?? fetch;
    this.#retry = { maxDurationMs: 30_000, baseDelayMs: 1000, ...options.retry };
  }

  get<T>(path: string): Promise<T> {
    return this.#ask<T>("GET", path);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>("POST", path, body);
  }

  patch<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>("PATCH", path, body);
  }

  async delete(path: string): Promise<void> {
    await this.#ask("DELETE", path);
  }

  /**
   * All of a list.
   *
   * @param property where an answer has its list, of those that are objects
   */
  async list<T>(path: string, property?: string): Promise<T[]> {
    const all: T[] = [];
    for (let page = 1; page <= MOST_LIST_PAGES; page += 1) {
      const sign = path.includes("?") ? "&" : "?";
      const answer = await this.get<object>(`${path}${sign}per_page=${PER_PAGE}&page=${page}`);
      const items = (property === undefined ? answer : (answer as Record<string, unknown>)[property]) as T[];
      all.push(...items);
      if (items.length < PER_PAGE) break;
    }
    return all;
  }

  /**
   * @throws HttpError where GitHub refuses it, TweedleError where it goes on failing
   */
  #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const what = `GitHub's ${method} ${path}`;
    return retry(
      what,
      async () => {
        const response = await this.#fetch(this.#root + path, {
          method,
          headers: this.#headers,
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const answer = await response.text();
        if (response.ok) return (answer === "" ? undefined : JSON.parse(answer)) as T;
        const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
        throw new HttpError(
          undefined,
          // GitHub says 403 where it means 429, too.
          response.status === 403 && !Number.isNaN(retryAfter) ? 429 : response.status,
          "",
          `${what} was answered ${response.status}: ${answer.slice(0, 300)}`,
          ...(Number.isNaN(retryAfter) ? [] : [retryAfter]),
        );
      },
      { retry: this.#retry },
    );
  }
}

/**
 * A variable that the workflow sets.
 *
 * @throws PlanError
 */
export function variable(name: string, fit: RegExp): string {
  const value = process.env[name] ?? "";
  if (!fit.test(value)) {
    throw new PlanError(`The variable ${name} must match ${fit}, not ${JSON.stringify(value)}.`);
  }
  return value;
}

/** The repository that a workflow runs in. */
export const gitHubOfWorkflow = (): GitHub =>
  new GitHub({
    token: variable("GITHUB_TOKEN", /^\S+$/),
    repository: variable("GITHUB_REPOSITORY", /^[\w.-]+\/[\w.-]+$/),
    apiUrl: process.env["GITHUB_API_URL"],
  });

/** The page of the workflow's run, where its artifacts are. */
export const runUrl = (): string =>
  [
    variable("GITHUB_SERVER_URL", /^https?:\/\/[\w.:-]+$/),
    variable("GITHUB_REPOSITORY", /^[\w.-]+\/[\w.-]+$/),
    "actions/runs",
    variable("GITHUB_RUN_ID", /^\d+$/),
  ].join("/");
