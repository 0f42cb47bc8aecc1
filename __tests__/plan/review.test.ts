import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { STAGES } from "../../main";
import { changedStages, goneStacks, isSame } from "../../plan/changed";
import { differences } from "../../plan/compare";
import { readGone, readReview, readReviews } from "../../plan/read-review";
import { type Review, digestOf, lossOf, reviewOf } from "../../plan/review";
import { matrixOf, outputsOf, readyStages } from "../../plan/stages";
import { toTerminal, wantsColour } from "../../plan/terminal";
import type { StageConfig } from "../../stacks/stage";
import { temporaryFolder } from "../local/tools";
import { change, planned, writeJson } from "./tools";

const folder = temporaryFolder();
const SHA = "0123456789".repeat(4);

const NAMES = { changes: [], drift: [], outputs: [], deferred: [], blocks: new Map<string, string>() };

describe("A review", () => {
  test("has the gravest first, of those what holds data, then by address", () => {
    const names = [
      "update aws_x.u",
      "destroy aws_x.b",
      "destroy aws_sqs_queue.z",
      "replace aws_x.r",
      "create aws_x.c",
    ];
    const changes = names.map((name) => {
      const [action = "", address = ""] = name.split(" ");
      const { text: _, ...named } = change({
        action: action as "update",
        address,
        type: address.split(".")[0] ?? "",
      });
      return named;
    });
    const rendering = { resources: new Map([["aws_x.u", "TEXT"]]), outputs: "" };
    const paths = new Map([["aws_x.u", "api/stage"]]);
    const review = reviewOf("dev", { names: { ...NAMES, changes }, rendering, diagnostics: [], paths });
    expect(review.changes.map(({ action, address }) => `${action} ${address}`)).toEqual([
      "destroy aws_sqs_queue.z",
      "destroy aws_x.b",
      "replace aws_x.r",
      "update aws_x.u",
      "create aws_x.c",
    ]);
    expect(review.changes[3]).toMatchObject({ path: "api/stage", text: "TEXT" });
  });

  test("knows a construct by the address of an instance, and by where it was", () => {
    const paths = new Map([
      ["aws_x.a", "a"],
      ["aws_x.old", "old"],
    ]);
    const changes = [
      change({ address: 'aws_x.a["k[0]"]' }),
      change({ address: "aws_x.new", movedFrom: "aws_x.old" }),
    ];
    const rendering = { resources: new Map<string, string>(), outputs: "" };
    const review = reviewOf("dev", { names: { ...NAMES, changes }, rendering, diagnostics: [], paths });
    expect(review.changes.map(({ path }) => path)).toEqual(["a", "old"]);
  });

  test("has what Terraform warns of and what it leaves to a later plan, and no errors", () => {
    const diagnostics = [
      { severity: "warning" as const, summary: "Deprecated", detail: "Use b.", address: "aws_x.y" },
      { severity: "warning" as const, summary: "Check block assertion failed" },
      { severity: "error" as const, summary: "Error" },
    ];
    const names = { ...NAMES, deferred: [{ address: "aws_x.z[*]", reason: "instance_count_unknown" }] };
    const rendering = { resources: new Map<string, string>(), outputs: "" };
    expect(reviewOf("dev", { names, rendering, diagnostics, paths: new Map() }).warnings).toEqual([
      { summary: "Deprecated", detail: "Use b.", address: "aws_x.y" },
      { summary: "Check block assertion failed" },
      { summary: "Left to a later plan", detail: "instance_count_unknown", address: "aws_x.z[*]" },
    ]);
  });

  test.each([
    ["destroy", "aws_s3_bucket", true],
    ["replace", "aws_sqs_queue", true],
    ["destroy", "aws_cloudtrail", true],
    ["destroy", "aws_kms_key", true],
    ["update", "aws_s3_bucket", false],
    ["forget", "aws_s3_bucket", false],
    ["destroy", "aws_s3_bucket_policy", false],
    ["destroy", "constructor", false],
  ] as const)("%s of %s loses data: %s", (action, type, loses) => {
    expect(lossOf({ action, type }) !== undefined).toBe(loses);
  });
});

describe("Two plans", () => {
  const reviewed = planned({
    changes: [change({ text: "a   \nb" })],
    outputs: [{ name: "url", action: "update", digest: "1" }],
    outputsText: "x",
  });

  test("are the same whatever was changed outside or warned of, where it is in the code and what space ends a line", () => {
    const drift = [{ address: "aws_x.y", type: "aws_x", action: "update" as const, attributes: ["tags"] }];
    const warnings = [{ summary: "Deprecated" }];
    const now = { ...reviewed, drift, warnings, changes: [change({ text: "a\nb", path: "elsewhere" })] };
    expect(digestOf(now)).toBe(digestOf(reviewed));
    expect(differences(reviewed, now)).toEqual([]);
  });

  test("that do nothing are the same as any", () => {
    for (const before of [
      reviewed,
      { status: "failed", stage: "dev", error: "x" },
      { status: "same", stage: "dev" },
    ])
      expect(differences(before as Review, planned())).toEqual([]);
  });

  test.each<[string, Review, Review & { status: "planned" }, string[]]>([
    [
      "a value",
      reviewed,
      { ...reviewed, changes: [change({ text: "a\nc" })] },
      ["~ update aws_s3_object.cat is another than was reviewed"],
    ],
    [
      "a value that the text does not have",
      reviewed,
      { ...reviewed, changes: [change({ text: "a\nb", digest: "2" })] },
      ["~ update aws_s3_object.cat is another than was reviewed"],
    ],
    [
      "an output that the text does not have",
      reviewed,
      { ...reviewed, outputs: [{ name: "url", action: "update", digest: "2" }] },
      ["~ the outputs are others than were reviewed"],
    ],
    [
      "a data source that is read",
      reviewed,
      { ...reviewed, changes: [...reviewed.changes, change({ action: "read", address: "data.aws_x.y" })] },
      ["+ read data.aws_x.y was not reviewed"],
    ],
    [
      "an action",
      reviewed,
      { ...reviewed, changes: [change({ action: "replace", text: "a\nb" })] },
      ["~ replace aws_s3_object.cat is another than was reviewed"],
    ],
    [
      "a resource",
      reviewed,
      { ...reviewed, changes: [change({ address: "aws_x.y", action: "destroy" })] },
      [
        "+ destroy aws_x.y was not reviewed",
        "- update aws_s3_object.cat was reviewed, and is not to be done any more",
      ],
    ],
    [
      "an output",
      reviewed,
      { ...reviewed, outputsText: "y" },
      ["~ the outputs are others than were reviewed"],
    ],
    [
      "a stage that was said to stay",
      { status: "same", stage: "dev" },
      reviewed,
      ["+ update aws_s3_object.cat was not reviewed"],
    ],
    [
      "a plan that failed",
      { status: "failed", stage: "dev", error: "No credentials." },
      reviewed,
      ["It could not be planned when it was reviewed: No credentials."],
    ],
  ])("differ by %s", (_, before, now, lines) => {
    expect(differences(before, now)).toEqual(lines);
  });
});

describe("On a terminal", () => {
  const review = planned({
    changes: [
      change({
        action: "destroy",
        address: "aws_s3_bucket.b",
        type: "aws_s3_bucket",
        path: "content/bucket",
        reason: "delete_because_no_resource_config",
      }),
      change({ attributes: ["tags", "tags_all"], text: "  # aws_s3_object.cat" }),
      change({
        action: "replace",
        address: "aws_x.\u001b[2Jy",
        forcedBy: ["name"],
        createFirst: true,
        imported: true,
      }),
    ],
    drift: [{ address: "aws_x.z", type: "aws_x", action: "destroy", attributes: [] }],
    outputs: [{ name: "url", action: "create", digest: "" }],
    warnings: [{ summary: "Deprecated", detail: "Use b,\nnot a\u001b[2J.", address: "aws_x.y" }],
  });
  const LINES = [
    "dev: 1 to destroy, 1 to replace, 1 to update, 1 output; 1 changed outside of Terraform; 1 warning",
    "   DATA IS LOST: aws_s3_bucket.b: every object in it goes with it. ",
    "    - destroy  aws_s3_bucket.b  (content/bucket)  it is no longer in the code",
    "    ~ update   aws_s3_object.cat  tags, tags_all",
    "  -/+ replace  aws_x.\\u001b[2Jy  name cannot be changed in place; the new one is made first; imported; what is imported is destroyed",
    "    + output   url",
    "    ! outside  aws_x.z  it is gone",
    "    ! warning  Deprecated: Use b, not a\\u001b[2J. (aws_x.y)",
  ];

  test("a line says what becomes of what, and why; nothing in it moves the cursor", () => {
    expect(toTerminal(review, { colour: false, text: false }).split("\n")).toEqual(LINES);
  });

  test("colour adds colour and nothing else", () => {
    const coloured = toTerminal(review, { colour: true, text: false });
    expect(coloured).toContain("\u001b[31m");
    expect(stripVTControlCharacters(coloured).split("\n")).toEqual(LINES);
  });

  test("Terraform's own text is added where it is asked for", () => {
    expect(toTerminal(review, { colour: false, text: true })).toContain("\n\n  # aws_s3_object.cat\n");
  });

  test("what is not planned is said in a line", () => {
    const say = (other: Review) => toTerminal(other, { colour: false, text: true });
    expect(say({ status: "same", stage: "dev" })).toBe("dev: no infrastructure change");
    expect(say({ status: "failed", stage: "dev", error: "No." })).toBe("dev: No.");
    expect(say(planned())).toBe("dev: nothing to do");
  });

  test("there is colour on a terminal alone, and not where NO_COLOR is set", () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({}, {})).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColour({ isTTY: true }, { TERM: "dumb" })).toBe(false);
  });
});

describe("A review that another job has left", () => {
  const path = join(folder, "dev.json");
  const good = planned({ changes: [change({ reason: "replace_by_triggers", movedFrom: "x" })] });

  test("is read as it was written", () => {
    expect(readReview(writeJson(path, good), "dev")).toEqual(good);
  });

  test.each<[string, unknown]>([
    ["another stage's", planned({ stage: "prod" })],
    ["a list", []],
    ["null", null],
    ["of a status that there is not", { ...good, status: "constructor" }],
    ["with an action that there is not", planned({ changes: [change({ action: "__proto__" as "update" })] })],
    ["with a property too many", planned({ changes: [{ ...change(), value: "x" } as never] })],
    ["without a digest", planned({ changes: [{ ...change(), digest: undefined } as never] })],
    ["with a property too few", { ...good, drift: undefined }],
    ["with an object in place of a text", planned({ changes: [change({ address: {} as string })] })],
    [
      "with a reason that there is not",
      planned({ changes: [change({ reason: "because" as "replace_by_request" })] }),
    ],
  ])("is refused in one line where it is %s", (_, value) => {
    expect(() => readReview(writeJson(path, value), "dev")).toThrow(
      /dev\.json is no review of dev: [^\n]*\.$/,
    );
  });

  test("is refused where it is not there", () => {
    expect(() => readReview(join(folder, "none.json"), "dev")).toThrow("it cannot be read");
  });
});

describe("The stages of the workflows", () => {
  const own = STAGES.map((config) =>
    config.stage === "test" ? config : { ...config, accountId: "111122223333" },
  );

  test("are those that have an account of somebody's own", () => {
    expect(readyStages(STAGES.map((config) => ({ ...config, accountId: "123456789012" })))).toEqual([]);
    expect(readyStages(own).map(({ stage }) => stage)).toEqual(
      STAGES.flatMap(({ stage, accountId }) =>
        stage === "test" && accountId === "123456789012" ? [] : [stage],
      ),
    );
  });

  test("are lines that a workflow reads, and nothing that could end one", () => {
    const [dev] = own as [StageConfig];
    expect(matrixOf([dev])).toBe(
      `stages=[{"stage":"dev","account":"111122223333","region":"${dev.region}"}]`,
    );
    expect(outputsOf(own, "dev")).toBe(`stage=dev\naccount=111122223333\nregion=${dev.region}`);
    expect(() => outputsOf(own, "staging")).toThrow(
      'There is no stage "staging" with an account of yours in main.ts.',
    );
  });
});

describe("What two commits are synthesized to", () => {
  const write = (out: string, file: string, text: string) => {
    const path = join(folder, out, "stacks", file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return join(folder, out);
  };

  test("is the same byte for byte, or a stage is planned; a stack that is gone is named", () => {
    const base = write("base", "producer-consumer-dev/cdk.tf.json", "{}");
    const head = write("head", "producer-consumer-dev/cdk.tf.json", "{}");
    expect(isSame(base, head, "dev")).toBe(true);
    // Another provider may plan something else.
    write("base", "producer-consumer-dev/.terraform.lock.hcl", "a");
    expect(isSame(base, head, "dev")).toBe(false);
    write("head", "producer-consumer-dev/.terraform.lock.hcl", "a");
    expect(isSame(base, head, "dev")).toBe(true);
    write("head", "producer-consumer-dev/cdk.tf.json", "{ }");
    expect(isSame(base, head, "dev")).toBe(false);
    expect(isSame(base, head, "prod")).toBe(false);
    expect(isSame(join(folder, "none"), head, "dev")).toBe(false);
    write("base", "producer-consumer-old/cdk.tf.json", "{}");
    expect(goneStacks(base, head)).toEqual(["producer-consumer-old"]);
    expect(goneStacks(join(folder, "none"), head)).toEqual([]);
  });
});

describe("The stages of a pull request", () => {
  test("are planned where they change; the others have a review that says so, and what is gone is named", () => {
    const [base, head, reviews] = ["b", "h", "r"].map((name) => join(folder, "changed", name)) as [
      string,
      string,
      string,
    ];
    const write = (out: string, stack: string, text: string) => {
      mkdirSync(join(out, "stacks", stack), { recursive: true });
      writeFileSync(join(out, "stacks", stack, "cdk.tf.json"), text);
    };
    for (const stack of ["dev", "test", "old"]) write(base, `producer-consumer-${stack}`, "{}");
    for (const stack of ["dev", "prod"]) write(head, `producer-consumer-${stack}`, "{}");
    write(head, "producer-consumer-test", '{"output": {}}');
    const changed = changedStages(STAGES, { base, head, reviews });
    expect(changed.map(({ stage }) => stage)).toEqual(["test", "prod"]);
    expect(readReviews(reviews, ["dev"])).toEqual([{ status: "same", stage: "dev" }]);
    expect(readGone(reviews)).toEqual(["producer-consumer-old"]);
  });
});

describe("plan/summary.ts", () => {
  const summary = join(folder, "summary.md");
  const run = (review: Review) => {
    writeFileSync(summary, "");
    writeJson(join(folder, "dev.json"), review);
    const args = ["--import", "tsx", "plan/summary.ts", "--stage", "dev", "--reviews", folder];
    const env = { ...process.env, COMMIT: SHA, GITHUB_STEP_SUMMARY: summary };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: join(__dirname, "../.."),
      env,
      encoding: "utf8",
    });
    return { status, stdout, stderr, summary: readFileSync(summary, "utf8") };
  };

  test.each<[boolean, Review]>([
    [true, planned({ changes: [change()] })],
    [true, planned({ outputs: [{ name: "url", action: "create", digest: "" }] })],
    [false, planned({ changes: [change({ action: "read", address: "data.aws_x.y" })] })],
    [false, planned()],
    [false, { status: "same", stage: "dev" }],
  ])("says whether there is anything to deploy (%s), and shows what", (due, review) => {
    const ran = run(review);
    expect(ran).toMatchObject({ status: 0, stdout: `deploy=${due}\n`, stderr: "" });
    expect(ran.summary).toContain("## Terraform plan of `0123456789`");
  });

  test("says where there is more than GitHub's page takes", () => {
    const many = Array.from({ length: 9000 }, (_, index) =>
      change({ action: "destroy", address: `aws_s3_object.${"x".repeat(100)}${index}` }),
    );
    expect(run(planned({ changes: many })).summary).toMatch(
      /^\*\*This is not all of it:\*\* \d+ further pages? stands?/,
    );
  });

  test("ends with 1 where there is no plan to deploy", () => {
    const { status, stdout, stderr } = run({ status: "failed", stage: "dev", error: "No credentials." });
    expect([status, stdout, stderr]).toEqual([1, "", "dev could not be planned: No credentials.\n"]);
  });
});
