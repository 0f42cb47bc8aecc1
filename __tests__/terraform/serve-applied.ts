import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiDefinition } from "../../local/api-gateway/definition";
import { startGateway } from "../../local/api-gateway/gateway";
import { type LocalFunction, loadFunction } from "../../local/lambda";
import type { Place } from "../../stacks/arns";
import { FAKE_KEYS, type Moto } from "./moto";

/** What is read here of Terraform's state. */
export interface State {
  readonly resources: readonly {
    readonly type: string;
    /** "tainted" is one that has to be made anew. */
    readonly instances: readonly [{ readonly attributes: object; readonly status?: string }];
  }[];
}

/** The attributes of a stack's resources, as Terraform's state has them. */
interface Attributes {
  aws_lambda_function: { arn: string; function_name: string; filename: string };
  aws_api_gateway_rest_api: { id: string; body: string };
  aws_api_gateway_stage: { stage_name: string };
  aws_api_gateway_method_settings: {
    settings: [{ throttling_rate_limit: number; throttling_burst_limit: number }];
  };
}

/** What is read here of moto's answer to Lambda's GetFunction. */
interface DeployedFunction {
  readonly Configuration: {
    readonly CodeSha256: string;
    readonly Handler: string;
    readonly Timeout: number;
    readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
  };
}

export interface AppliedApi {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/**
 * Serves the API of an applied stack with its functions. moto keeps functions and APIs without running them, so the
 * local gateway does, with what was applied.
 *
 * @param stackFolder what was applied: cdktf.out/stacks/<stack>
 */
export async function serveApplied(
  state: State,
  stackFolder: string,
  moto: Moto,
  { accountId, region }: Place,
): Promise<AppliedApi> {
  const all = <T extends keyof Attributes>(type: T) =>
    state.resources
      .filter((resource) => resource.type === type)
      .map(({ instances: [{ attributes }] }) => attributes as Attributes[T]);
  /** Of the stack's only resource of its type. */
  const attributes = <T extends keyof Attributes>(type: T) => all(type)[0] as Attributes[T];

  const applied = await Promise.all(
    all("aws_lambda_function").map(
      async (one) => [one.arn, await loadApplied(one, stackFolder, moto, region)] as const,
    ),
  );
  const { id, body } = attributes("aws_api_gateway_rest_api");
  const [throttling] = attributes("aws_api_gateway_method_settings").settings;
  const gateway = await startGateway({
    // moto's own export lacks the integrations.
    definition: JSON.parse(body) as ApiDefinition,
    apiId: id,
    accountId,
    region,
    stageName: attributes("aws_api_gateway_stage").stage_name,
    functions: new Map(applied),
    throttling: {
      rateLimit: throttling.throttling_rate_limit,
      burstLimit: throttling.throttling_burst_limit,
    },
    principals: [],
    port: 0,
  });
  return {
    url: gateway.url,
    async stop() {
      await gateway.stop();
      for (const [, local] of applied) local.stop();
    },
  };
}

async function loadApplied(
  { function_name, filename }: Attributes["aws_lambda_function"],
  stackFolder: string,
  moto: Moto,
  region: string,
): Promise<LocalFunction> {
  const { Configuration } = JSON.parse(
    await moto.ask("lambda", { path: `/2015-03-31/functions/${function_name}` }),
  ) as DeployedFunction;
  // moto gives no zip back: the one that Terraform read, if moto got the same.
  const zip = readFileSync(join(stackFolder, filename));
  if (createHash("sha256").update(zip).digest("base64") !== Configuration.CodeSha256) {
    throw new Error(`moto got another zip than ${filename}.`);
  }
  return loadFunction({
    zip,
    handler: Configuration.Handler,
    timeoutSeconds: Configuration.Timeout,
    log: () => {},
    environment: {
      ...Configuration.Environment.Variables,
      // Lambda's own, and where S3 and SQS are.
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: FAKE_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: FAKE_KEYS.secretAccessKey,
      AWS_SESSION_TOKEN: "testing",
      AWS_ENDPOINT_URL_S3: moto.url,
      AWS_ENDPOINT_URL_SQS: moto.url,
    },
  });
}
