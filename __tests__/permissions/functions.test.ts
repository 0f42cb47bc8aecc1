import { join } from "node:path";
import { App } from "cdktf";
import { ACTIONS, hasUrl } from "../../functions/sign-url/actions";
import type { Policy } from "../../local/iam";
import { LOCAL_API_ID, resolver } from "../../local/stack/references";
import { bucketArn, executeApiArn, keyArn, logGroupArn, queueArn } from "../../stacks/arns";
import { boundaryRights } from "../../stacks/rights";
import { InspectionStack } from "../stacks/inspection-stack";
import { KEYED, SWITCHED } from "../stacks/switched";
import { SynthesizedStack, temporaryFolder, text } from "../stacks/tools";
import { type IamRequest, isAuthorized } from "./judge";

/* What the functions of a stage with every option request, by their roles' policies and within the stage's boundary. */

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const config of [SWITCHED, KEYED]) new InspectionStack(app, config.stage, config, 10);
app.synth();

describe.each([SWITCHED, KEYED])("On the stage $stage, AWS allows", ({ stage, accountId, region }) => {
  const place = { accountId, region };
  const stack = new SynthesizedStack(join(outdir), stage);
  const resources = stack.resources.map(({ attributes, ...rest }) => ({ ...rest, settings: attributes }));
  const resolve = resolver(resources, place);
  const boundary: Policy = { Statement: boundaryRights(place, stage) };

  const payload = `${bucketArn(`tweedle-${stage}-content-${accountId}-${region}`)}/input/6f1c2f6e/cat.jpg`;
  const queue = queueArn(place, `tweedle-${stage}-queue`);
  const global = { "aws:ResourceAccount": accountId, "aws:SecureTransport": "true" };
  const byUrl = { ...global, "s3:authType": "REST-QUERY-STRING", "s3:signatureAge": "1000" };
  const ask = (action: string, resource: string, context: IamRequest["context"] = global): IamRequest => ({
    action,
    resource,
    context,
  });
  const log = (name: string) => {
    const stream = `${logGroupArn(place, `/aws/lambda/tweedle-${stage}-${name}`)}:log-stream:x`;
    return [ask("logs:CreateLogStream", stream), ask("logs:PutLogEvents", stream)];
  };
  const key = (service: string, ...names: string[]) =>
    names.map((name) =>
      ask(`kms:${name}`, keyArn(place, "local"), {
        "aws:ResourceTag/project": "tweedle",
        "aws:ResourceTag/stage": stage,
        "kms:ViaService": `${service}.${region}.amazonaws.com`,
      }),
    );
  const urls = (role: string) =>
    Object.values(ACTIONS)
      .filter((action) => hasUrl(action) && action.role === role)
      .flatMap(({ iamActions }) => iamActions.map((action) => ask(action, payload, byUrl)));

  test.each<[name: string, sentence: string, requests: readonly IamRequest[]]>([
    [
      "producer-signer",
      "its URLs, and their encryption",
      [...urls("producer"), ...key("s3", "GenerateDataKey", "Decrypt")],
    ],
    ["consumer-signer", "its URLs, and their decryption", [...urls("consumer"), ...key("s3", "Decrypt")]],
    [
      "sender",
      "its messages, and their encryption",
      [ask("sqs:SendMessage", queue), ...key("sqs", "GenerateDataKey", "Decrypt")],
    ],
    [
      "inspector",
      "what Lambda polls with its role, and the URLs that it asks for",
      // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
      [
        ...["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility"].map((name) =>
          ask(`sqs:${name}`, queue),
        ),
        ...key("sqs", "Decrypt"),
        ...["getObject", "headObject", "deleteObject"].map((action) =>
          ask("execute-api:Invoke", executeApiArn(place, LOCAL_API_ID, `${stage}/POST/${action}`)),
        ),
      ],
    ],
  ])("the %s its log, %s", (name, _, requests) => {
    const policies = stack
      .referringTo(stack.at(`${name}/role`), "role", "aws_iam_role_policy")
      .map((policy) => JSON.parse(String(resolve(text(policy, "policy")))) as Policy);
    for (const request of [...log(name), ...requests]) {
      expect([request, isAuthorized(policies, request, accountId)]).toEqual([request, true]);
      expect([request, isAuthorized([boundary], request, accountId)]).toEqual([request, true]);
    }
  });
});
