import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ACTIONS, type Role } from "../../functions/sign-url/actions";
import { type ApiRules, openApi } from "../../functions/sign-url/openapi";
import { STAGES, operationsOf } from "./descriptions";

const ROOT = join(__dirname, "../..");
const stages = Object.entries(STAGES);

/** Runs a package that is an ES module, which jest does not load. */
function validate(document: object): { valid: boolean; errors?: unknown; warnings: unknown } {
  const script = `
    import { validate } from "@readme/openapi-parser";
    import { text } from "node:stream/consumers";
    process.stdout.write(JSON.stringify(await validate(JSON.parse(await text(process.stdin)))));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    input: JSON.stringify(document),
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as ReturnType<typeof validate>;
}

describe("the API's description", () => {
  test.each(stages)("is OpenAPI 3.0, by a validator that is not ours: %s", (_, rules) => {
    expect(validate(openApi(rules))).toMatchObject({ valid: true, warnings: [] });
  });

  test("is refused by that validator where it is none", () => {
    const { paths, ...document } = openApi(STAGES["open"] as ApiRules);
    expect(validate({ ...document, paths: { ...paths, "/": { post: { responses: 1 } } } })).toMatchObject({
      valid: false,
    });
  });

  test.each(stages)("names every operation once, and groups them: %s", (_, rules) => {
    const operations = operationsOf(rules);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = openApi(rules).tags.map(({ name }) => name);
    for (const { path, operation } of operations) {
      const role = ACTIONS[path.slice(1)]?.role ?? "api";
      expect([path, operation.tags]).toEqual([path, [role]]);
      expect(tags).toContain(role);
    }
  });

  test.each(stages)(
    "says of each operation what callers have to show, if only that it is nothing: %s",
    (_, rules) => {
      for (const { path, method, operation } of operationsOf(rules)) {
        const role: Role = ACTIONS[path.slice(1)]?.role ?? "producer";
        const scheme = rules.security
          ? rules.security[role]
          : rules.roles.includes(role)
            ? undefined
            : "sigv4";
        const wanted = method === "post" && scheme ? [{ [scheme]: [] }] : [];
        expect([path, method, operation.security]).toEqual([path, method, wanted]);
      }
    },
  );

  test.each(stages)("has an answer for every status: %s", (_, rules) => {
    for (const { path, method, operation } of operationsOf(rules)) {
      expect(operation.responses["default"]?.content).toEqual({
        "application/json": { schema: { $ref: "#/components/schemas/Error" } },
      });
      const own = method === "post" ? ["400", "403", "413", "415", "429", "500"] : [];
      expect([path, Object.keys(operation.responses)]).toEqual([
        path,
        ["200", ...(path === "/" && method === "get" ? ["304"] : []), ...own, "default"],
      ]);
    }
  });

  test("has in its patterns nothing that only some languages' regular expressions have", () => {
    const patterns = [
      ...JSON.stringify(openApi(STAGES["strict"] as ApiRules)).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g),
    ].map(([, pattern = ""]) => JSON.parse(pattern) as string);
    expect(patterns.length).toBeGreaterThan(40);
    // Looking around, named groups, properties of Unicode, and more than 1,000 repetitions.
    expect(patterns.filter((pattern) => /\(\?|\\[pPkuxX]\{|\{\d{4,}|,\d{4,}\}/.test(pattern))).toEqual([]);
  });
});
