import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { digestOf as digestOfValues } from "../../plan/digest";
import { readNames } from "../../plan/names";

const resource = (given: object, actions: readonly string[], change: object = {}) => ({
  address: "aws_x.y",
  mode: "managed",
  type: "aws_x",
  name: "y",
  change: { actions, ...change },
  ...given,
});
const read = (changes: readonly object[], drift: readonly object[] = []) =>
  readNames(JSON.stringify({ resource_changes: changes, resource_drift: drift }));

test.each([
  [["create"], "create"],
  [["update"], "update"],
  [["delete"], "destroy"],
  [["delete", "create"], "replace"],
  [["create", "delete"], "replace"],
  [["forget"], "forget"],
])("Terraform's %j is %s", (actions, action) => {
  expect(read([resource({}, actions)]).changes).toEqual([
    expect.objectContaining({ address: "aws_x.y", action, forcedBy: [], attributes: [] }),
  ]);
});

test("what stays is no change", () => {
  expect(read([resource({}, ["no-op"])]).changes).toEqual([]);
});

test.each<[string, object]>([
  ['the action "create,forget" on aws_x.y', resource({ previous_address: "aws_x.z" }, ["create", "forget"])],
  ['the action "forget,create" on aws_x.y', resource({}, ["forget", "create"])],
  ['the action "read" on aws_x.y', resource({}, ["read"])],
  ['the action "constructor" on aws_x.y', resource({}, ["constructor"])],
  ['the action "update" on data.aws_x.y', resource({ mode: "data", address: "data.aws_x.y" }, ["update"])],
  ['a resource of mode "managed2"', resource({ mode: "managed2" }, ["create"])],
])("what the review does not support is refused, and not overlooked: %s", (what, one) => {
  expect(() => read([one])).toThrow(`The plan has ${what}`);
});

test("a plan that is not JSON is refused in one line", () => {
  expect(() => readNames("\nWarning: x\n{}")).toThrow(`Terraform's plan is not JSON, but "Warning: x\\n{}".`);
});

test("an output with an action that the review does not support is refused", () => {
  const json = JSON.stringify({ output_changes: { url: { actions: ["forget"] } } });
  expect(() => readNames(json)).toThrow('The plan has the action "forget" on output url');
});

test("a data source that is read during the apply is a change; what only the state is told of is none", () => {
  const data = { mode: "data", address: "data.aws_x.y", action_reason: "read_because_config_unknown" };
  const { changes, blocks } = read([resource(data, ["read"])]);
  expect(changes).toEqual([
    expect.objectContaining({
      action: "read",
      address: "data.aws_x.y",
      reason: "read_because_config_unknown",
    }),
  ]);
  expect([...blocks]).toEqual([["data.aws_x.y", 'data "aws_x" "y"']]);
  expect(read([resource(data, ["delete"]), resource(data, ["no-op"])]).changes).toEqual([]);
  expect(read([resource({ mode: "ephemeral" }, ["open"])]).changes).toEqual([]);
});

test.each(["delete_because_enabled_false", "forgot_because_lifecycle_destroy_in_state"])(
  "OpenTofu's reason %s is told",
  (reason) => {
    expect(read([resource({ action_reason: reason }, ["delete"])]).changes[0]).toMatchObject({ reason });
  },
);

describe("actions that a provider is asked for", () => {
  const invocation = (trigger: object) => ({
    address: "action.aws_x.y",
    config_values: { a: "1" },
    ...trigger,
  });
  const readWith = (invocations: readonly object[]) =>
    readNames(
      JSON.stringify({
        resource_changes: [resource({}, ["create"]), resource({ deposed: "1a" }, ["delete"])],
        action_invocations: invocations,
      }),
    ).changes;
  const trigger = { lifecycle_action_trigger: { triggering_resource_address: "aws_x.y" } };

  test("are told of the change that they belong to, and are part of its identity", () => {
    const [change, deposed] = readWith([invocation(trigger)]);
    expect([change?.invokes, deposed?.invokes]).toEqual([["action.aws_x.y"], undefined]);
    const [other] = readWith([{ ...invocation(trigger), config_values: { a: "2" } }]);
    expect(other?.digest).not.toBe(change?.digest);
  });

  test("are refused where they belong to none", () => {
    expect(() => readWith([invocation({ invoke_action_trigger: {} })])).toThrow(
      "The plan invokes actions by themselves, which the review does not support: action.aws_x.y.",
    );
  });
});

test("changes that Terraform leaves to a later plan are named", () => {
  const deferred_changes = [
    { reason: "instance_count_unknown", resource_change: resource({ address: "aws_x.y[*]" }, ["create"]) },
  ];
  expect(readNames(JSON.stringify({ deferred_changes })).deferred).toEqual([
    { address: "aws_x.y[*]", reason: "instance_count_unknown" },
  ]);
});

test("two changes of one resource, which nothing could tell apart, are refused", () => {
  expect(() => read([resource({}, ["create"]), resource({}, ["delete"])])).toThrow(
    "The plan has two changes of aws_x.y, which the review does not support.",
  );
});

test("a move is a change of its own where nothing else changes, and said of one that does", () => {
  const moved = { previous_address: "aws_x.z" };
  const { changes } = read([
    resource(moved, ["no-op"]),
    resource({ ...moved, address: "aws_x.w" }, ["update"]),
  ]);
  expect(changes.map(({ action, movedFrom }) => [action, movedFrom])).toEqual([
    ["move", "aws_x.z"],
    ["update", "aws_x.z"],
  ]);
});

test("an import is a change of its own where nothing else changes, and said of one that does", () => {
  const { changes } = read([
    resource({}, ["no-op"], { importing: { id: "x" } }),
    resource({ address: "aws_x.w" }, ["update"], { importing: { id: "x" } }),
  ]);
  expect(changes.map(({ action, imported }) => [action, imported])).toEqual([
    ["import", true],
    ["update", true],
  ]);
});

test("an attribute changes with its value, its unknown or its sensitivity, and in no other case", () => {
  const { changes } = read([
    resource({}, ["update"], {
      before: { same: { a: [1] }, value: 1, gone: 1, nested: {}, marked: 1 },
      after: { same: { a: [1] }, value: 2, nested: {}, marked: 1, missing: null },
      after_unknown: { unknown: true, nested: { deep: [true] }, same: {} },
      before_sensitive: {},
      after_sensitive: { marked: true },
    }),
  ]);
  expect(changes[0]?.attributes).toEqual(["gone", "marked", "nested", "unknown", "value"]);
});

test("of a replacement, what forces it is told apart, and what nobody knows before is left out", () => {
  const { changes } = read([
    resource({ action_reason: "replace_because_cannot_update" }, ["create", "delete"], {
      before: { bucket: "a", arn: "a", tags: 1 },
      after: { bucket: "b", tags: 2 },
      after_unknown: { arn: true },
      replace_paths: [["bucket"], ["bucket", "deeper"], ["rule", 0, "a key of a map"]],
    }),
  ]);
  expect(changes[0]).toMatchObject({
    reason: "replace_because_cannot_update",
    createFirst: true,
    forcedBy: ["bucket", "rule"],
    attributes: ["tags"],
  });
});

describe("The digest of a change", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 2 },
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("any"), { minLength: 1 }),
      fc.dictionary(fc.string(), tie("any"), { minKeys: 1 }),
    ),
  })).any;
  const attributes = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { minKeys: 1 });
  const digestOf = (json: string) => readNames(`{"resource_changes": [${json}]}`).changes[0]?.digest;
  const digest = (one: object) => digestOf(JSON.stringify(one));

  type Path = readonly (string | number)[];
  /** Where the values of some JSON are that hold no others. */
  const leaves = (json: unknown, path: Path = []): Path[] =>
    typeof json === "object" && json !== null
      ? Object.entries(json).flatMap(([name, part]) => leaves(part, [...path, name]))
      : [path];
  /** The same JSON with another value somewhere. */
  const changedAt = (json: unknown, [name, ...rest]: Path): unknown => {
    if (name === undefined) return json === "other" ? "another" : "other";
    const copy = structuredClone(json) as Record<string, unknown>;
    copy[name] = changedAt(copy[name], rest);
    return copy;
  };

  test("is another one wherever its JSON differs", () => {
    const actions = fc.constantFrom(
      ["create"],
      ["delete"],
      ["delete", "create"],
      ["create", "delete"],
      ["forget"],
    );
    const change = fc.record({
      before: attributes,
      after: attributes,
      after_unknown: fc.constant({ a: true }),
      replace_paths: fc.constant([["a"], ["b", 0]]),
      importing: fc.constant({ id: "i" }),
      generated_config: fc.string(),
    });
    fc.assert(
      fc.property(actions, change, fc.nat(), (does, what, pick) => {
        const given = { provider_name: "p", index: 1, action_reason: "x", previous_address: "z" };
        const one = { ...resource(given, does), change: { ...what, actions: does } };
        const where = leaves(one).filter(([first, second]) => first !== "mode" && second !== "actions");
        const other = changedAt(one, where[pick % where.length] ?? []);
        expect(digest(other as object)).not.toBe(digest(one));
      }),
    );
  });

  const update = (before: object, after: object, more: object = {}) =>
    resource({}, ["update"], { before, after, after_unknown: {}, ...more });

  test("of an update is another one wherever an attribute that changes differs, and the same where another does", () => {
    fc.assert(
      fc.property(attributes, attributes, value, value, fc.nat(), (before, after, kept, meanwhile, pick) => {
        const stays = (by: unknown) =>
          update({ before: 1, ...before, d: kept, e: by }, { after: 1, ...after, d: kept, e: by });
        const one = stays("x");
        expect(digest(stays(meanwhile))).toBe(digest(one));
        const changed = readNames(JSON.stringify({ resource_changes: [one] })).changes[0]?.attributes ?? [];
        const where = leaves(one).filter(
          ([, second, name]) => second !== "actions" && changed.includes(String(name)),
        );
        const other = changedAt(one, where[pick % where.length] ?? []);
        expect(digest(other as object)).not.toBe(digest(one));
      }),
    );
  });

  test.each<[string, object, object]>([
    ["what is unknown", update({ a: 1 }, {}, { after_unknown: { a: true } }), update({ a: 1 }, {})],
    [
      "what of an attribute is sensitive",
      update({ a: { b: 1, c: 1 } }, { a: { b: 2, c: 1 } }, { after_sensitive: { a: { b: true } } }),
      update({ a: { b: 1, c: 1 } }, { a: { b: 2, c: 1 } }, { after_sensitive: { a: { c: true } } }),
    ],
    [
      "a sensitive value",
      update({ a: 1 }, { a: 2 }, { after_sensitive: { a: true } }),
      update({ a: 1 }, { a: 3 }, { after_sensitive: { a: true } }),
    ],
    [
      "an attribute that stays, of what is imported",
      update({ a: 1, b: 1 }, { a: 2, b: 1 }, { importing: {} }),
      update({ a: 1, b: 2 }, { a: 2, b: 2 }, { importing: {} }),
    ],
    ["a number and its text", update({ a: 1 }, { a: 2 }), update({ a: 1 }, { a: "2" })],
  ])("depends on %s", (_, one, other) => {
    expect(digest(one)).not.toBe(digest(other));
  });

  test("depends on every digit of a number, and on none in a text", () => {
    const json = (digits: string, text = "") =>
      JSON.stringify(update({ a: 1 }, { a: "DIGITS", b: `"${text}` })).replace('"DIGITS"', digits);
    expect(digestOf(json("9007199254740992"))).not.toBe(digestOf(json("9007199254740993")));
    expect(digestOf(json("0.1"))).not.toBe(digestOf(json("0.10000000000000000001")));
    expect(digestOf(json("1", "\\ 2"))).not.toBe(digestOf(json("1", "\\ 3")));
  });

  test("of a sensitive value is no plain hash, which is quick to guess", () => {
    const values = ["1234"];
    const plain = createHash("sha256").update(JSON.stringify(values)).digest("hex");
    expect(digestOfValues(values, { a: false })).toBe(plain);
    expect(digestOfValues(values, { a: [true] })).not.toBe(plain);
  });
});

test("a reason that Terraform does not know today is left out", () => {
  expect(read([resource({ action_reason: "constructor" }, ["delete"])]).changes[0]).not.toHaveProperty(
    "reason",
  );
});

test("what a refresh makes empty of what was missing is no drift", () => {
  const drift = (before: object, after: object) =>
    read([], [resource({}, ["update"], { before, after })]).drift.map(({ attributes }) => attributes);
  expect(drift({ tags: null, cors: [] }, { tags: {}, cors: null })).toEqual([]);
  expect(drift({ tags: null, cors: [] }, { tags: { by: "hand" }, cors: null })).toEqual([["tags"]]);
});

test("no value of an attribute, an output or a key of a map is ever in what is read", () => {
  const secret = fc.uuid().map((id) => `secret-${id}`);
  const value = fc.letrec((tie) => ({
    any: fc.oneof({ maxDepth: 3 }, secret, fc.array(tie("any")), fc.dictionary(secret, tie("any"))),
  })).any;
  const attributes = fc.option(fc.dictionary(fc.constantFrom("a", "b", "c"), value));
  const actions = fc.constantFrom(["update"], ["delete", "create"], ["create"], ["delete"], ["no-op"]);
  const change = fc.record({
    actions,
    before: attributes,
    after: attributes,
    replace_paths: fc.array(secret.map((key) => ["a", key])),
    importing: fc.record({ id: secret }),
    generated_config: secret,
  });
  fc.assert(
    fc.property(fc.array(change), fc.array(change), value, (changes, drift, anything) => {
      const names = readNames(
        JSON.stringify({
          resource_changes: changes.map((one, index) => ({
            ...resource({ address: `aws_x.y[${index}]` }, []),
            change: one,
          })),
          resource_drift: drift.map((one) => ({ ...resource({}, []), change: one })),
          output_changes: { url: { actions: ["update"], before: anything, after: anything } },
          variables: anything,
          planned_values: anything,
          prior_state: anything,
          configuration: anything,
        }),
      );
      expect(JSON.stringify(names)).not.toContain("secret-");
    }),
  );
});
