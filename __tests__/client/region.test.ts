import { join } from "node:path";
import { ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { regionOf } from "../../client/region";
import { regionFor, sqsClient } from "../../client/sqs";
import { temporaryFolder } from "../local/tools";

const folder = temporaryFolder();
const { env } = process;
beforeEach(() => {
  process.env = {
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_CONFIG_FILE: join(folder, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials"),
    AWS_EC2_METADATA_DISABLED: "true",
  };
});
afterAll(() => {
  process.env = env;
});

test.each([
  ["sqs.eu-central-1.amazonaws.com", "eu-central-1"],
  ["sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
  ["sqs.ap-southeast-7.amazonaws.com", "ap-southeast-7"],
  ["eu-west-1.queue.amazonaws.com", "eu-west-1"],
  ["queue.amazonaws.com", "us-east-1"],
  ["sqs-fips.us-east-2.amazonaws.com", "us-east-2"],
  ["sqs.us-east-1.api.aws", "us-east-1"],
  ["sqs-fips.us-west-2.api.aws", "us-west-2"],
  ["vpce-0f1a2b3c-abcd1234.sqs.us-east-2.vpce.amazonaws.com", "us-east-2"],
  ["vpce-0f1a2b3c-abcd1234-us-east-2a.sqs.us-east-2.vpce.amazonaws.com", "us-east-2"],
  ["sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"],
  ["cn-north-1.queue.amazonaws.com.cn", "cn-north-1"],
  ["sqs.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1"],
  ["sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"],
  ["sqs.eu-central-1.localhost.localstack.cloud", "eu-central-1"],
  ["eu-central-1.queue.localhost.localstack.cloud", "eu-central-1"],
  ["a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "eu-central-1"],
  ["a1b2c3d4e5.execute-api.eu-central-1.api.aws", "eu-central-1"],
  ["a1b2c3d4e5-vpce-0f1a2b3c.execute-api.us-west-2.amazonaws.com", "us-west-2"],
  ["vpce-0f1a2b3c-abcd1234.execute-api.us-west-2.vpce.amazonaws.com", "us-west-2"],
  ["d-abcdefghij.execute-api.sa-east-1.amazonaws.com", "sa-east-1"],
  ["a1b2c3d4e5.execute-api.localhost.localstack.cloud", undefined],
  ["sqs.amazonaws.com", undefined],
  ["127.0.0.1", undefined],
  ["localhost", undefined],
  ["api.example.com", undefined],
  ["eu-central-1.example.com", undefined],
  ["eu-central-1.amazonaws.com.example.com", undefined],
])("the region of %s is %s", (hostname, region) => {
  expect(regionOf(hostname)).toBe(region);
});

test("a host that states no region has the one that is given, or the SDK's, and without it the error says what to set", async () => {
  const says = "set AWS_REGION, AWS_PROFILE to a profile with a region, or the option region.";
  const client = sqsClient("http://127.0.0.1:1/1/q");
  const asked = client.send(new ReceiveMessageCommand({ QueueUrl: "http://127.0.0.1:1/1/q" }));
  await expect(asked).rejects.toThrow(`The region of 127.0.0.1 is not known: ${says}`);
  client.destroy();
  await expect(regionFor("api.example.com")).rejects.toThrow(
    `The region of api.example.com is not known: ${says}`,
  );
  expect(await regionFor("api.example.com", "eu-west-2")).toBe("eu-west-2");
  process.env["AWS_REGION"] = "eu-west-3";
  expect(await regionFor("api.example.com", "eu-west-2")).toBe("eu-west-2");
  expect(await regionFor("api.example.com")).toBe("eu-west-3");
});

/** The host of a queue's request, and the region that it is signed for. It is not sent. */
async function requestTo(queueUrl: string) {
  const client = sqsClient(queueUrl);
  let sent: { hostname: string; port?: number; headers: Record<string, string> } | undefined;
  client.middlewareStack.add(
    () => async (args) => {
      sent = args.request as typeof sent;
      return await Promise.reject(new Error("It is not sent."));
    },
    { step: "finalizeRequest", priority: "low" },
  );
  await expect(client.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }))).rejects.toThrow(
    "It is not sent.",
  );
  client.destroy();
  const { hostname, port, headers = {} } = sent ?? {};
  const region = /Credential=[^/]+\/\d+\/([^/]+)\/sqs\//.exec(headers["authorization"] ?? "")?.[1];
  return [port === undefined ? hostname : `${hostname}:${port}`, region];
}

describe("a request to a queue goes", () => {
  test.each([
    ["https://sqs.eu-central-1.amazonaws.com/1/q", "sqs.eu-central-1.amazonaws.com", "eu-central-1"],
    ["https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1.queue.amazonaws.com", "eu-west-1"],
    ["https://queue.amazonaws.com/1/q", "queue.amazonaws.com", "us-east-1"],
    ["https://sqs-fips.us-east-1.amazonaws.com/1/q", "sqs-fips.us-east-1.amazonaws.com", "us-east-1"],
    ["https://sqs.us-east-1.api.aws/1/q", "sqs.us-east-1.api.aws", "us-east-1"],
    [
      "https://vpce-1-a.sqs.us-east-2.vpce.amazonaws.com/1/q",
      "vpce-1-a.sqs.us-east-2.vpce.amazonaws.com",
      "us-east-2",
    ],
    [
      "http://sqs.eu-central-1.localhost.localstack.cloud:4566/1/q",
      "sqs.eu-central-1.localhost.localstack.cloud:4566",
      "eu-central-1",
    ],
  ])("to the host of %s, signed for its region", async (url, host, region) => {
    expect(await requestTo(url)).toEqual([host, region]);
  });

  test("to the host of its URL whatever the SDK's settings are, unless that is its region's own", async () => {
    process.env["AWS_USE_FIPS_ENDPOINT"] = "true";
    process.env["AWS_ENDPOINT_URL_SQS"] = "https://vpce-9.sqs.us-east-1.vpce.amazonaws.com";
    const legacy = "https://us-east-1.queue.amazonaws.com/1/q";
    expect(await requestTo(legacy)).toEqual(["us-east-1.queue.amazonaws.com", "us-east-1"]);
    delete process.env["AWS_ENDPOINT_URL_SQS"];
    const regional = "https://sqs.us-east-1.amazonaws.com/1/q";
    expect(await requestTo(regional)).toEqual(["sqs-fips.us-east-1.amazonaws.com", "us-east-1"]);
    process.env["AWS_USE_FIPS_ENDPOINT"] = "false";
    process.env["AWS_ENDPOINT_URL_SQS"] = "https://vpce-9.sqs.us-east-1.vpce.amazonaws.com";
    expect(await requestTo(regional)).toEqual(["vpce-9.sqs.us-east-1.vpce.amazonaws.com", "us-east-1"]);
  });
});
