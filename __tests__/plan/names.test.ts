import * as fc from "fast-check";
import { readNames } from "../../plan/names";

const resource = (given: object, actions: readonly string[], change: object = {}) => ({
  address: "aws_x.y",
  mode: "managed",
  type: "aws_x",
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

test("what stays, and what is only read, is no change", () => {
  expect(read([resource({}, ["no-op"]), resource({ mode: "data" }, ["read"])]).changes).toEqual([]);
});

test.each([[["create", "forget"]], [["forget", "create"]], [["read"]], [["x"]]])(
  "what no review can tell is refused, and not taken for nothing: %j",
  (actions) => {
    expect(() => read([resource({ previous_address: "aws_x.z" }, actions)])).toThrow(
      `Terraform would ${actions.join(" and ")} aws_x.y, which no review can tell.`,
    );
  },
);

test("a move is a change of its own where nothing else changes, and said of one that does", () => {
  const moved = { previous_address: "aws_x.z" };
  const { changes } = read([resource(moved, ["no-op"]), resource(moved, ["update"])]);
  expect(changes.map(({ action, movedFrom }) => [action, movedFrom])).toEqual([
    ["move", "aws_x.z"],
    ["update", "aws_x.z"],
  ]);
});

test("an import is a change of its own where nothing else changes, and said of one that does", () => {
  const { changes } = read([
    resource({}, ["no-op"], { importing: { id: "x" } }),
    resource({}, ["update"], { importing: { id: "x" } }),
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
          resource_changes: changes.map((one) => ({ ...resource({}, []), change: one })),
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
