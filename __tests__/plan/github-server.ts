import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export const BOT = "github-actions[bot]";
export const REPOSITORY = "owner/name";

export interface Thread {
  readonly id: number;
  readonly number: number;
  body: string;
  title?: string;
  state: string;
  readonly user: { readonly login: string };
}

type Body = Partial<Pick<Thread, "body" | "title" | "state">>;

/** As much of GitHub's API as our commands use, in memory; a request that they should not make is answered 404. */
export class GitHubServer {
  /** Of the one pull request there is. */
  comments: Thread[] = [];
  issues: Thread[] = [];
  issueComments: { readonly issue: number; readonly body: string }[] = [];
  pullRequest: object = {};
  files: string[] = [];
  pullsOfCommit: object[] = [];
  runs: object[] = [];
  /** METHOD path, without the repository. */
  requests: string[] = [];
  /** Answers to give before all others: a status, and how long to wait. */
  troubles: { status: number; retryAfter?: number }[] = [];
  #id = 100;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  thread(body: string, login = BOT): Thread {
    this.#id += 1;
    return { id: this.#id, number: this.#id, body, state: "open", user: { login } };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://localhost");
    const path = url.pathname.replace(`/repos/${REPOSITORY}`, "");
    const what = `${request.method} ${path}`;
    this.requests.push(what);
    const body = request.method === "GET" ? {} : ((await json(request).catch(() => ({}))) as Body);
    const trouble = this.troubles.shift();
    if (trouble !== undefined || request.headers.authorization !== "Bearer token") {
      if (trouble?.retryAfter !== undefined) response.setHeader("retry-after", trouble.retryAfter);
      response.statusCode = trouble?.status ?? 401;
      response.end('{"message": "no"}');
      return;
    }
    const answer = this.#answer(what, body, url.searchParams);
    response.statusCode = answer === undefined ? 404 : 200;
    response.end(answer === undefined || answer === "" ? "" : JSON.stringify(answer));
  }

  #answer(what: string, body: Body, query: URLSearchParams): unknown {
    const page = (items: readonly object[]) => {
      const [size, number] = [Number(query.get("per_page")), Number(query.get("page"))];
      return items.slice(size * (number - 1), size * number);
    };
    const [, id = ""] = /(\d+)$/.exec(what) ?? [];
    const change = (threads: readonly Thread[]) =>
      Object.assign(threads.find((thread) => String(thread.id) === id) ?? {}, body);
    switch (what.replace(/\b(?!7\b)\d+$/, "N").replace(/[0-9a-f]{40}/, "SHA")) {
      case "GET /issues/7/comments":
        return page(this.comments);
      case "POST /issues/7/comments":
        this.comments.push(this.thread(body.body ?? ""));
        return this.comments.at(-1);
      case "PATCH /issues/comments/N":
        return change(this.comments);
      case "DELETE /issues/comments/N":
        this.comments = this.comments.filter((comment) => String(comment.id) !== id);
        return "";
      case "GET /pulls/7":
        return this.pullRequest;
      case "GET /pulls/7/files":
        return page(this.files.map((filename) => ({ filename })));
      case "GET /commits/SHA/pulls":
        return page(this.pullsOfCommit);
      case "GET /actions/workflows/plan.yml/runs":
        return { total_count: this.runs.length, workflow_runs: page(this.runs) };
      case "GET /issues":
        return page(this.issues.filter(({ state }) => state === query.get("state")));
      case "POST /issues": {
        const issue = Object.assign(this.thread(""), body);
        this.issues.push(issue);
        return issue;
      }
      case "PATCH /issues/N":
        return change(this.issues);
      default: {
        const [, issue] = /^POST \/issues\/(\d+)\/comments$/.exec(what) ?? [];
        if (issue === undefined) return undefined;
        this.issueComments.push({ issue: Number(issue), body: body.body ?? "" });
        return {};
      }
    }
  }
}
