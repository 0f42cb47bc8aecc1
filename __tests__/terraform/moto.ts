import { createInterface } from "node:readline";
import { start } from "./processes";

/** Keys that moto takes, as any others. AWS does not. */
export const FAKE_KEYS = { accessKeyId: "testing", secretAccessKey: "testing" } as const;

/** A request to one of AWS's services, without its signature. */
interface ServiceRequest {
  readonly path?: string;
  /** The operation, of a service that is asked in JSON: AmazonSQS.ListQueues. */
  readonly target?: string;
  /** Its input. @default nothing */
  readonly body?: object;
  /** The operation and its input, of a service that is asked by a form: Action=ListRoles. */
  readonly form?: string;
}

/** How to ask each service what it holds, and where the names are in its answer. */
const LISTINGS: Readonly<Record<string, ServiceRequest & { readonly names: RegExp }>> = {
  s3: { names: /<Name>([^<]+)/g },
  sqs: { target: "AmazonSQS.ListQueues", names: /\/([\w-]+)"/g },
  lambda: { path: "/2015-03-31/functions/", names: /"FunctionName": ?"([^"]+)/g },
  apigateway: { path: "/restapis", names: /"name": ?"([^"]+)/g },
  cloudtrail: { target: "CloudTrail_20131101.DescribeTrails", names: /"Name": ?"([^"]+)/g },
  iam: { form: "Action=ListRoles&Version=2010-05-08", names: /<RoleName>([^<]+)/g },
  logs: { target: "Logs_20140328.DescribeLogGroups", names: /"logGroupName": ?"([^"]+)/g },
};

/** moto's server: AWS's APIs in memory. It runs no functions, and checks neither signatures nor rights. */
export interface Moto {
  readonly url: string;
  /** Asks a service, and answers the body. */
  readonly ask: (service: string, request: ServiceRequest) => Promise<string>;
  /** The names of all that exists in the stacks' services, by service. */
  readonly inventory: () => Promise<Record<string, string[]>>;
}

/**
 * Starts moto on a free port, until `stopProcesses`.
 *
 * @throws Error with what moto said, where it does not start
 */
export async function startMoto(command: string, accountId: string, region: string): Promise<Moto> {
  const url = await startServer(command, accountId);

  async function ask(
    service: string,
    { path = "/", target, body: input = {}, form }: ServiceRequest,
  ): Promise<string> {
    const body = target === undefined ? form : JSON.stringify(input);
    const response = await fetch(url + path, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        // All that moto reads of a signature is for which service it is.
        authorization: `AWS4-HMAC-SHA256 Credential=${FAKE_KEYS.accessKeyId}/20260101/${region}/${service}/aws4_request`,
        ...(target !== undefined && { "x-amz-target": target }),
        "content-type":
          target === undefined ? "application/x-www-form-urlencoded" : "application/x-amz-json-1.1",
      },
      ...(body !== undefined && { body }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`moto answered ${response.status} for ${service}: ${answer}`);
    return answer;
  }

  async function inventory(): Promise<Record<string, string[]>> {
    const listings = Object.entries(LISTINGS).map(async ([service, { names, ...request }]) => {
      const answer = await ask(service, request);
      return [service, [...answer.matchAll(names)].map(([, name]) => name ?? "").toSorted()] as const;
    });
    return Object.fromEntries(await Promise.all(listings));
  }

  return { url, ask, inventory };
}

/** Any free port: moto says which it took. */
function startServer(command: string, accountId: string): Promise<string> {
  const environment = {
    ...process.env,
    MOTO_ACCOUNT_ID: accountId,
    // AWS's own policies, which roles may have.
    MOTO_IAM_LOAD_MANAGED_POLICIES: "true",
  };
  const server = start(command, ["-p", "0"], { environment });
  const said: string[] = [];
  // Both are read to the end: moto logs every request, and would wait for its reader.
  server.stdout.resume();
  return new Promise((resolve, reject) => {
    createInterface(server.stderr).on("line", (line) => {
      said.push(line);
      const [, url] = /Running on (http:\/\/[\d.]+:\d+)/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
    });
    server.once("error", reject);
    server.once("close", () => reject(new Error(`moto ended:\n${said.join("\n")}`)));
  });
}
