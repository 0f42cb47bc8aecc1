// oxlint-disable jest/no-export, jest/expect-expect, jest/no-disabled-tests, jest/valid-title -- it makes suites, and is none.
import { type Need, type Tools, findTools } from "./tools";

/**
 * A `describe` that needs programs which npm does not install. Where one is missing, the suite says in one line how to
 * get it, and is skipped; in CI (`CI` is set) it fails, so that nobody takes a skipped suite for a passed one.
 *
 * @param suite is given what was found
 */
export function describeWith<N extends Need>(
  needs: readonly N[],
  name: string,
  suite: (tools: Pick<Tools, N>) => void,
): void {
  const { tools, missing } = findTools(needs);
  const reason = missing.join("; ");
  if (missing.length === 0) {
    describe(name, () => {
      suite(tools);
    });
  } else if (process.env["CI"]) {
    test(`${name}: all that it needs is here`, () => {
      throw new Error(reason);
    });
  } else {
    process.stderr.write(`Skipped: ${name}. ${reason}\n`);
    test.skip(`${name}: ${reason}`, () => {});
  }
}
