import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { App } from "cdktf";
import { quote } from "../../common/quote";
import { LIMITS } from "../../functions/sign-url/limits";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import { runApp } from "../../stacks/report";
import {
  ConfigurationError,
  type StageConfig,
  validateStage,
  validateStages,
  worstCaseBytesPerDay,
} from "../../stacks/stage";
import { temporaryFolder } from "./tools";

const run = promisify(execFile);
const outdir = temporaryFolder();

const FIT: StageConfig = {
  stage: "dev",
  accountId: "123456789012",
  region: "eu-central-1",
  consumerAuthorization: "NONE",
  throttlingRateLimit: 50,
  throttlingBurstLimit: 100,
};
/** The fit configuration with one value that the types may not allow. */
const configOf = (property: keyof StageConfig, value: unknown): StageConfig =>
  Object.assign({}, FIT, { [property]: value });
const stackOf = (config: StageConfig) => new ProducerConsumerStack(new App({ outdir }), "stack", config);

describe("A stage's value that is not fit is refused with one sentence:", () => {
  const STAGE =
    "2 to 12 lower-case letters and digits, a letter first, and none of api, bootstrap, boundary, deploy, plan, state";
  const ACCOUNT = "the 12 digits of an AWS account, in quotes";
  const REGION = "a region of AWS's commercial partition, such as eu-central-1";
  const BYTES = "a whole number of bytes from 1 to 53687091200000, or left out";
  const RATE = "a whole number from 1 to 10000, what an account has";
  const BURST = "a whole number from 1 to 5000, what an account has";
  const RESERVED = "a whole number from 1 to 100000, or left out";
  const FLAG = "true or false, or left out";
  const NAMES = "a list of different names of lower-case letters, digits and hyphens, or left out";
  const WAF = "a whole number from 10 to 2000000000, or left out";
  const CIDRS = "a list of different CIDR blocks, such as 203.0.113.0/24, or left out";
  const VPCES = "a list of different VPC endpoints, such as vpce-1a2b3c4d, or left out";
  const POLICY = "the ARN of an IAM policy, or left out";
  const EMAIL = "an e-mail address, or left out";
  const DAYS = "a whole number of days from 1 to 36500, or left out";
  const TYPES =
    "a list of different media types in lower case, such as image/* or application/pdf, of 1000 characters at most, or left out";
  const TITLE = "1 to 60 characters on one line, or left out";

  it.each<[keyof StageConfig, unknown, string]>([
    ["stage", "", STAGE],
    ["stage", undefined, STAGE],
    ["stage", "state", STAGE],
    ["accountId", 123456789012, ACCOUNT],
    ["region", "eu-isoe-west-1", REGION],
    ["throttlingRateLimit", undefined, RATE],
    ["throttlingRateLimit", Number.NaN, RATE],
    ["throttlingBurstLimit", undefined, BURST],
    ["forceDestroy", "false", FLAG],
    ["stage", "d", STAGE],
    ["stage", "Te st", STAGE],
    ["stage", "d\u001b[2J", STAGE],
    ["stage", "thirteenchars", STAGE],
    ["stage", "Dev", STAGE],
    ["stage", "1dev", STAGE],
    ["stage", "my-dev", STAGE],
    ["stage", "my.dev", STAGE],
    ["stage", "dev\n", STAGE],
    ["accountId", "", ACCOUNT],
    ["accountId", "12345678901", ACCOUNT],
    ["accountId", "1234567890123", ACCOUNT],
    ["accountId", "1234-5678-9012", ACCOUNT],
    ["region", "", REGION],
    ["region", "Frankfurt", REGION],
    ["region", ["eu-central-1"], REGION],
    ["region", "aws-global", REGION],
    ["region", "cn-north-1", REGION],
    ["region", "us-gov-west-1", REGION],
    ["region", "us-iso-east-1", REGION],
    ["region", "us-isob-east-1", REGION],
    ["consumerAuthorization", "", "NONE or AWS_IAM"],
    ["consumerAuthorization", "none", "NONE or AWS_IAM"],
    ["consumerAuthorization", undefined, "NONE or AWS_IAM"],
    ["maxObjectBytes", 0, BYTES],
    ["maxObjectBytes", -1, BYTES],
    ["maxObjectBytes", 1.5, BYTES],
    ["maxObjectBytes", "1024", BYTES],
    ["maxObjectBytes", LIMITS.objectBytes + 1, BYTES],
    ["throttlingRateLimit", 0, RATE],
    ["throttlingRateLimit", 0.5, RATE],
    ["throttlingRateLimit", 10_001, RATE],
    ["throttlingRateLimit", Number.NaN, RATE],
    ["throttlingBurstLimit", 0, BURST],
    ["throttlingBurstLimit", 0.5, BURST],
    ["throttlingBurstLimit", 5_001, BURST],
    ["throttlingBurstLimit", Infinity, BURST],
    ["reservedConcurrentExecutions", 0, RESERVED],
    ["reservedConcurrentExecutions", -1, RESERVED],
    ["reservedConcurrentExecutions", 1.5, RESERVED],
    ["producerAuthorization", "API_KEY", "NONE or AWS_IAM, or left out"],
    ["producerApiKeys", [], NAMES],
    ["producerApiKeys", "shop", NAMES],
    ["producerApiKeys", ["shop", "shop"], NAMES],
    ["producerApiKeys", ["Shop"], NAMES],
    ["producerApiKeys", [""], NAMES],
    ["wafRateLimit", 9, WAF],
    ["wafRateLimit", 10.5, WAF],
    ["wafRateLimit", 2_000_000_001, WAF],
    ["apiLogs", 1, FLAG],
    ["customerManagedKey", "alias/key", FLAG],
    ["denyOverwrites", null, FLAG],
    ["sourceIps", [], CIDRS],
    ["sourceIps", "203.0.113.0/24", CIDRS],
    ["sourceIps", ["203.0.113.0"], CIDRS],
    ["sourceIps", ["203.0.113.0/33"], CIDRS],
    ["sourceIps", ["203.0.113.0/"], CIDRS],
    ["sourceIps", ["203.0.113.0/24/1"], CIDRS],
    ["sourceIps", ["2001:db8::/129"], CIDRS],
    ["sourceIps", ["example.com/24"], CIDRS],
    ["sourceVpces", ["vpc-1a2b3c4d"], VPCES],
    ["sourceVpces", [], VPCES],
    ["eventBridge", "true", FLAG],
    ["permissionsBoundary", "boundary", POLICY],
    ["permissionsBoundary", "arn:aws:iam::123456789012:role/boundary", POLICY],
    ["alarmTopic", "yes", FLAG],
    ["alarmEmail", "", EMAIL],
    ["alarmEmail", "alice", EMAIL],
    ["alarmEmail", "alice@example.com bob@example.com", EMAIL],
    ["uploadForm", "on", FLAG],
    ["uploadFormTitle", "", TITLE],
    ["uploadFormTitle", " Send", TITLE],
    ["uploadFormTitle", "Send\nfiles", TITLE],
    ["uploadFormTitle", "Send \u202efiles", TITLE],
    ["uploadFormTitle", "x".repeat(61), TITLE],
    ["contentTypes", [], TYPES],
    ["contentTypes", "image/*", TYPES],
    ["contentTypes", ["image"], TYPES],
    ["contentTypes", ["*/*"], TYPES],
    ["contentTypes", ["Image/PNG"], TYPES],
    ["contentTypes", ["text/plain; charset=utf-8"], TYPES],
    ["contentTypes", ["image/*", "image/*"], TYPES],
    ["contentTypes", [`text/${"x".repeat(996)}`], TYPES],
    ["payloadExpirationDays", 0, DAYS],
    ["payloadExpirationDays", 29.5, DAYS],
    ["payloadExpirationDays", 36_501, DAYS],
  ])("%s %j", (property, value, mustBe) => {
    const config = configOf(property, value);
    const sentence = `Stage ${quote(config.stage)}: ${property} must be ${mustBe}, not ${quote(value)}.`;
    expect(() => validateStage(config)).toThrow(new ConfigurationError(sentence));
  });
});

describe("A region that there is not is refused, with the nearest one:", () => {
  const DATE = " If AWS has just opened it, run npm update @aws-sdk/core.";
  it.each([
    ["eu-central-9", "eu-central-1", DATE],
    ["eu-cental-1", "eu-central-1", DATE],
    ["ap-southeast-0", "ap-southeast-1", DATE],
    ["us-est-1", "us-east-1", DATE],
    ["eu-central-1a", "eu-central-1", ""],
    ["eu-central", "eu-central-1", ""],
    ["EU-CENTRAL-1", "eu-central-1", ""],
    ["eu_central_1", "eu-central-1", ""],
  ])("%s", (region, meant, date) => {
    expect(() => validateStage({ ...FIT, region })).toThrow(
      new ConfigurationError(
        `Stage "dev": region must be a region of AWS's commercial partition, such as eu-central-1, not "${region}". Did you mean "${meant}"?${date}`,
      ),
    );
  });
});

describe("The stages of an app are refused with one sentence", () => {
  it.each<[string, unknown[], string]>([
    [
      "where two have one name",
      [FIT, { ...FIT, stage: "qa" }, FIT],
      'There are two stages "dev": each needs a name of its own.',
    ],
    [
      "where two have one name in two regions, since a stack has no region in its name",
      [FIT, { ...FIT, region: "us-east-1" }],
      'There are two stages "dev": each needs a name of its own.',
    ],
    ["where one is none", [FIT, null], "A stage must be an object with its properties, not null."],
    ["where one is its name alone", ["dev"], 'A stage must be an object with its properties, not "dev".'],
  ])("%s", (_, stages, sentence) => {
    expect(() => validateStages(stages as StageConfig[])).toThrow(new ConfigurationError(sentence));
  });

  it("before a stack is made of them, which would end in a stack trace", async () => {
    const app = `
      const { STAGES, createApp } = require("./main");
      const { runApp } = require("./stacks/report");
      STAGES.push({ ...STAGES[0], stage: process.argv[1] });
      runApp(() => createApp(${JSON.stringify(outdir)}));`;
    const synth = (stage: string) => run(process.execPath, ["--import", "tsx", "--eval", app, stage]);
    await expect(synth("dev")).rejects.toMatchObject({
      code: 1,
      stderr: 'There are two stages "dev": each needs a name of its own.\n',
    });
    await expect(synth("Te st")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^Stage "Te st": stage must be 2 to 12 lower-case [^\n]*, not "Te st"\.\n$/,
      ),
    });
  });
});

describe("Properties that do not go together are refused with a sentence that says why:", () => {
  it.each<[Partial<StageConfig>, string]>([
    [
      { alarmEmail: "alice@example.com" },
      "alarmEmail needs alarmTopic: true, since the topic is what sends it.",
    ],
    [
      { producerAuthorization: "AWS_IAM", producerApiKeys: ["shop"] },
      "producerApiKeys needs producerAuthorization NONE, since who signs is known already.",
    ],
    [
      { uploadForm: true, producerAuthorization: "AWS_IAM" },
      "uploadForm needs producerAuthorization NONE and no producerApiKeys, since a page can neither sign nor keep a key.",
    ],
    [
      { uploadForm: true, producerApiKeys: ["shop"] },
      "uploadForm needs producerAuthorization NONE and no producerApiKeys, since a page can neither sign nor keep a key.",
    ],
    [
      { uploadForm: false, uploadFormTitle: "Send us cats" },
      "uploadFormTitle needs the upload form, which this stage does not have.",
    ],
    [
      { producerAuthorization: "AWS_IAM", uploadFormTitle: "Send us cats" },
      "uploadFormTitle needs the upload form, which this stage does not have.",
    ],
    [
      { permissionsBoundary: "arn:aws:iam::210987654321:policy/boundary" },
      "permissionsBoundary must be a policy of the stage's own account, or of AWS.",
    ],
  ])("%j", (properties, sentence) => {
    expect(() => validateStage({ ...FIT, ...properties })).toThrow(
      new ConfigurationError(`Stage "dev": ${sentence}`),
    );
  });
});

describe("A property that a stage does not have is refused by name, with the nearest one and all others:", () => {
  it.each([
    ["maxObjectSize", ' Did you mean "maxObjectBytes"?'],
    ["forceDestory", ' Did you mean "forceDestroy"?'],
    ["Region", ' Did you mean "region"?'],
    ["tags", ""],
    ["constructor", ""],
  ])("%s", (property, hint) => {
    const config = Object.assign({}, FIT, { [property]: 1 });
    expect(() => validateStage(config)).toThrow(
      `Stage "dev": unknown property "${property}".${hint} There are: stage, accountId, region, `,
    );
  });
});

describe("A stage's value at its limit is taken:", () => {
  it.each<[keyof StageConfig, unknown]>([
    ["stage", "qa"],
    ["stage", "twelve000012"],
    ["accountId", "000000000000"],
    ["region", "us-east-1"],
    ["region", "ap-southeast-7"],
    ["region", "il-central-1"],
    ["consumerAuthorization", "AWS_IAM"],
    ["maxObjectBytes", 1],
    ["maxObjectBytes", LIMITS.objectBytes],
    ["throttlingRateLimit", 1],
    ["throttlingRateLimit", 10_000],
    ["throttlingBurstLimit", 1],
    ["throttlingBurstLimit", 5_000],
    ["reservedConcurrentExecutions", 1],
    ["producerAuthorization", "NONE"],
    ["producerApiKeys", ["shop", "mail-2"]],
    ["wafRateLimit", 10],
    ["wafRateLimit", 2_000_000_000],
    ["sourceIps", ["0.0.0.0/0", "203.0.113.7/32", "2001:db8::/128"]],
    ["sourceVpces", ["vpce-1a2b3c4d", "vpce-0123456789abcdef0"]],
    ["permissionsBoundary", "arn:aws:iam::123456789012:policy/team/boundary"],
    ["permissionsBoundary", "arn:aws:iam::aws:policy/PowerUserAccess"],
    ["alarmEmail", undefined],
    ["payloadExpirationDays", 36_500],
    ["uploadForm", false],
    ["uploadFormTitle", 'Katzen, "süß" & <schön> 🐈'],
    ["uploadFormTitle", "x".repeat(60)],
    ["contentTypes", ["image/*", "application/vnd.oasis.opendocument.text", "image/svg+xml"]],
  ])("%s %j", (property, value) => {
    expect(() => validateStage(configOf(property, value))).not.toThrow();
  });
});

it("The longest names of a stage and of a region still make names of buckets", () => {
  const { bucket, trail, accessLogs } = stackOf({ ...FIT, stage: "twelve000012", region: "ap-southeast-1" });
  for (const { bucketName } of [bucket, trail.logBucket, accessLogs]) {
    expect(bucketName).toMatch(/^[a-z0-9-]{3,63}$/);
  }
});

it("A payload that a message may outlive is refused: 28 days are too short, 29 are not", () => {
  expect(() => stackOf({ ...FIT, payloadExpirationDays: 28 })).toThrow(
    new ConfigurationError(
      'Stage "dev": payloadExpirationDays must be over 28, not 28: a message may name its payload for that long, in the queue and redriven.',
    ),
  );
  expect(() => stackOf({ ...FIT, payloadExpirationDays: 29 })).not.toThrow();
});

it("Where EventBridge announces, which may take a day, 29 days are too short, and 30 are not", () => {
  const announced = { ...FIT, eventBridge: true };
  expect(() => stackOf({ ...announced, payloadExpirationDays: 29 })).toThrow("must be over 29, not 29");
  expect(() => stackOf({ ...announced, payloadExpirationDays: 30 })).not.toThrow();
});

it("An app with a mistake in its configuration says it in one line on stderr, and exits with 1", async () => {
  const app = `
    const { App } = require("cdktf");
    const { ProducerConsumerStack } = require("./stacks/producer-consumer-stack");
    const { runApp } = require("./stacks/report");
    runApp(() => {
      const app = new App({ outdir: ${JSON.stringify(outdir)} });
      new ProducerConsumerStack(app, "stack", ${JSON.stringify({ ...FIT, region: "Frankfurt" })});
      return app;
    });
    console.error("It went on.");`;
  await expect(run(process.execPath, ["--import", "tsx", "--eval", app])).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      'Stage "dev": region must be a region of AWS\'s commercial partition, such as eu-central-1, not "Frankfurt".\n',
  });
});

it("An app with a mistake of ours keeps its stack trace", () => {
  const bug = new TypeError("a bug");
  expect(() =>
    runApp(() => {
      throw bug;
    }),
  ).toThrow(bug);
});

describe("What callers of a stage can have stored in a day", () => {
  it("is at most its requests, each for the largest object that it takes", () => {
    expect(worstCaseBytesPerDay({ ...FIT, throttlingRateLimit: 2, maxObjectBytes: 10 })).toBe(
      4 * 2 * 86_400 * 10,
    );
  });

  it("is at most what an answer signs, and a message holds, where the stage has no cap, or a larger one", () => {
    // 1,000 parts of 5 GiB, on two methods, one PUT, and 256 KiB.
    const most = ((1000 + 1000 + 1) * 5 * 1024 ** 3 + 256 * 1024) * 50 * 86_400;
    expect(worstCaseBytesPerDay(FIT)).toBe(most);
    expect(worstCaseBytesPerDay({ ...FIT, maxObjectBytes: LIMITS.objectBytes })).toBe(most);
  });
});
