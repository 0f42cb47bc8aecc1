import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ACTIONS } from "../../functions/sign-url/actions";
import { MULTIPART_THRESHOLD_BYTES } from "../../client/produce/layout";
import { PRICES, QUOTAS, valuesOf } from "../../limits/aws";
import { type Assumptions, costOf, limitsOf, workOf } from "../../limits/chain";
import { OptionError, parseSize, report, table } from "../../limits/index";

const MIB = 1024 ** 2;
const GIVEN: Assumptions = {
  secondsInQueue: 60,
  handlerSeconds: 1,
  signerSeconds: 0.01,
  signerMemoryGb: 0.25,
  stageRequests: 500,
  reservedInstances: 100,
};
const QUOTA = valuesOf(QUOTAS);
const PRICE = valuesOf(PRICES);
const holds = (size: number, name: string, quotas = QUOTA, given = GIVEN) =>
  limitsOf(workOf(size), quotas, given).find((limit) => limit.name === name)?.holds;

describe("The work of a message", () => {
  test("that carries its payload is one request and three to the queue", () => {
    expect(workOf(64_000)).toMatchObject({
      way: "inline",
      apiRequests: 1,
      sqsRequests: 3,
      s3Writes: 0,
      trailEvents: 0,
    });
  });

  test("is more for the queue with each 64 KiB, which SQS counts as a request", () => {
    expect([65_536 - 400, 65_536, 200_000].map((size) => workOf(size).sqsRequests)).toEqual([3, 5, 9]);
  });

  test("in one PUT is three requests to the API, two to S3 that cost, and three that are recorded", () => {
    expect(workOf(1e6)).toMatchObject({
      way: "one PUT",
      apiRequests: 3,
      s3Writes: 1,
      s3Reads: 1,
      s3Deletes: 1,
      sqsRequests: 3,
      trailEvents: 3,
    });
  });

  test("in parts asks for each part, and fetches ranges by one URL", () => {
    expect(workOf(MULTIPART_THRESHOLD_BYTES).way).toBe("one PUT");
    // Three parts; nine ranges.
    expect(workOf(65 * MIB)).toMatchObject({
      way: "parts",
      apiRequests: 7,
      busiestMethod: 3,
      s3Writes: 5,
      s3Reads: 9,
      trailEvents: 15,
    });
  });

  test("never has more than 10,000 parts", () => {
    expect(workOf(50e12).busiestMethod).toBeLessThanOrEqual(10_000);
  });

  test("asks for what the API has", () => {
    for (const action of ["putObject", "uploadPart", "getObject", "deleteObject"]) {
      expect(ACTIONS).toHaveProperty(action);
    }
  });
});

describe("A limit holds up to its quota over what a message takes:", () => {
  test.each([
    [64_000, "API Gateway, requests", 10_000],
    [1e6, "API Gateway, requests", 10_000 / 3],
    [1e6, "API Gateway, at one moment", 5000],
    [1e6, "S3, writes", 1750],
    [1e6, "S3, reads", 5500],
    [1e6, "SQS, in flight", 120_000],
    [1e6, "SQS, requests", Infinity],
    [64_000, "S3, writes", Infinity],
    // A call of 10 ms occupies an instance as one of 100 ms: ten a second are the most.
    [1e6, "Lambda, instances", 10_000 / 3],
    [1e6, "reserved instances, one function", 500],
    [1e6, "stage's throttle, one method", 500],
  ])("%i bytes, %s", (size, name, wanted) => {
    expect(holds(size, name)).toBeCloseTo(wanted, 6);
  });

  test("with a reader's own numbers", () => {
    expect(holds(1e6, "SQS, in flight", QUOTA, { ...GIVEN, handlerSeconds: 60 })).toBe(2000);
    expect(holds(1e6, "S3, writes", { ...QUOTA, s3Partitions: 4 })).toBe(7000);
    expect(holds(1e6, "Lambda, instances", QUOTA, { ...GIVEN, signerSeconds: 1 })).toBeCloseTo(1000 / 3);
    expect(holds(1e6, "stage's throttle, one method", QUOTA, { ...GIVEN, stageRequests: 5 })).toBe(5);
  });

  test("and the lowest comes first", () => {
    const all = limitsOf(workOf(1e8), QUOTA, GIVEN).map((limit) => limit.holds);
    expect(all).toEqual(all.toSorted((a, b) => a - b));
  });
});

describe("A million messages cost", () => {
  const cost = (size: number, changes: Partial<Assumptions> = {}) =>
    costOf(workOf(size), PRICE, { ...GIVEN, ...changes });
  const sum = (parts: Readonly<Record<string, number>>) =>
    Object.values(parts).reduce((total, part) => total + part, 0);

  test("of 1 MB, what their requests do", () => {
    const {
      "API Gateway": api,
      Lambda,
      "S3, requests": s3,
      SQS,
      "CloudTrail, data events": trail,
    } = cost(1e6);
    expect([api, Lambda, s3, SQS, trail].map((part) => part?.toFixed(2))).toEqual([
      "10.50",
      "0.70",
      "5.40",
      "1.20",
      "3.00",
    ]);
  });

  test("their storage for as long as they are there", () => {
    const month = { secondsInQueue: 30 * 86_400, handlerSeconds: 0 };
    // A million of 1 GiB for a month.
    expect(cost(1024 ** 3, month)["S3, storage"]).toBeCloseTo(23_000);
    expect(cost(1024 ** 3, { secondsInQueue: 0, handlerSeconds: 0 })["S3, storage"]).toBe(0);
  });

  test("less where they carry their payload", () => {
    expect(sum(cost(64_000))).toBeLessThan(sum(cost(1e6)));
    expect(cost(64_000)["S3, requests"]).toBe(0);
  });
});

describe("npm run limits", () => {
  test("prints what the README says", () => {
    expect(readFileSync(join(__dirname, "../../README.md"), "utf8")).toContain(`\n${report([])}\n`);
  });

  test("takes a reader's own numbers, and says them all as JSON", () => {
    const said = JSON.parse(
      report([
        "--json",
        "--rate",
        "7",
        "--size",
        "5MB",
        "--handler-seconds",
        "30",
        "--quota",
        "s3Writes=1",
        "--price",
        "sqsRequest=1",
        "--stage",
        "dev",
      ]),
    ) as {
      given: Assumptions;
      quotas: Record<string, number>;
      limits: { size: number; breaks: { rate: number; limits: { name: string; holds: number }[] }[] }[];
      costsOfAMillion: { usd: Record<string, number> }[];
    };
    expect(said.given).toMatchObject({ handlerSeconds: 30, stageRequests: 50 });
    expect(said.quotas["s3Writes"]).toBe(1);
    const [{ size, breaks } = { size: 0, breaks: [] }] = said.limits;
    expect([size, breaks]).toEqual([
      5e6,
      [{ rate: 7, limits: [expect.objectContaining({ name: "S3, writes", holds: 0.5 })] }],
    ]);
    expect(said.costsOfAMillion[0]?.usd["SQS"]).toBe(3e6);
  });

  test("says where each number stands", () => {
    const said = report(["--sources"]);
    for (const name of [...Object.keys(QUOTAS), ...Object.keys(PRICES)]) expect(said).toContain(`${name} = `);
    expect(
      [...Object.values(QUOTAS), ...Object.values(PRICES)].filter(
        ({ source }) => !source.startsWith("https://"),
      ),
    ).toEqual([]);
  });

  test.each([
    [["--rate", "many"], '--rate must be a number from 1, not "many".'],
    [["--rate", "0"], "--rate must be a number from 1"],
    [["--size", "54TB"], "--size must be at most"],
    [["--size", "big"], '--size must be bytes, such as 64KB, 1MB or 10GB, not "big".'],
    [["--handler-seconds=-1"], "0 or more"],
    [["--quota", "s3=1"], "--quota must be one of apiRequests"],
    [["--quota", "__proto__=1"], "--quota must be one of"],
    [["--quota", "s3Writes"], "--quota s3Writes must be a number"],
    [["--price", "s3Write=cheap"], "--price s3Write must be a number"],
    [["--stage", "nope"], '--stage must be one of dev, test, prod, not "nope".'],
  ])("refuses %j in one line", (args, says) => {
    expect(() => report(args)).toThrow(OptionError);
    expect(() => report(args)).toThrow(says);
  });

  test("helps", () => {
    expect(report(["--help"])).toMatch(/^npm run limits -- \[options\]/);
  });

  test.each([
    ["1", 1],
    ["64KB", 64_000],
    ["1.5 mb", 1_500_000],
    ["10GB", 1e10],
    ["1TB", 1e12],
  ])("reads a size of %s as %i bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test("aligns its columns", () => {
    expect(
      table([
        ["a", "b"],
        ["long", "1"],
      ]),
    ).toBe("a     b\nlong  1");
  });
});
