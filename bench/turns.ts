/**
 * Measures contenders in turns, so that a slow moment of the machine meets all of them.
 *
 * @returns the results of each contender, in the contenders' order
 */
export function takeTurns<C extends { readonly name: string }, R>(
  what: string,
  turns: number,
  contenders: readonly C[],
  measure: (contender: C, turn: number) => R,
): R[][] {
  const progress = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`);
  const results = contenders.map((): R[] => []);
  for (let turn = 1; turn <= turns; turn++) {
    for (const [index, contender] of contenders.entries()) {
      progress(`${what}: ${contender.name}, ${turn} of ${turns}`);
      results[index]?.push(measure(contender, turn));
    }
  }
  progress("");
  return results;
}

/** The median of what is picked from each contender's results. */
export function medians<R>(results: readonly R[][], pick: (result: R) => number): number[] {
  return results.map((runs) => {
    const sorted = runs.map(pick).toSorted((a, b) => a - b);
    const middle = sorted.length / 2;
    return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
  });
}
