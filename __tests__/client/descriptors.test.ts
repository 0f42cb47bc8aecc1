import { AdaptiveLimit, Gate } from "../../client/descriptors";

const exhausted = Object.assign(new Error("too many open files"), { code: "EMFILE" });

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Lets what is settled be seen. */
const settled = async () => await jest.advanceTimersByTimeAsync(0);

test("a limit is one fewer than ran when a descriptor was missing, one at least, for a minute", () => {
  const limit = new AdaptiveLimit();
  const values = [limit.value];
  for (const running of [20, 30, 10, 1, 0]) {
    limit.lower(running);
    values.push(limit.value);
  }
  expect(values).toEqual([Infinity, 19, 19, 9, 1, 1]);
  jest.advanceTimersByTime(59_999);
  expect(limit.value).toBe(1);
  jest.advanceTimersByTime(1);
  expect(limit.value).toBe(Infinity);
});

test("a gate lets in as many as there are descriptors for, in the order in which they come", async () => {
  const gate = new Gate();
  const [first, second, third] = await Promise.all([gate.enter(), gate.enter(), gate.enter()]);
  third(exhausted);
  const order: number[] = [];
  const leaves = [4, 5, 6].map(async (number) => {
    const leave = await gate.enter();
    order.push(number);
    return leave;
  });
  await settled();
  expect([gate.size, order]).toEqual([2, []]);
  first();
  first();
  await settled();
  expect([gate.size, order]).toEqual([2, [4]]);
  second(new Error("another failure"));
  (await (leaves[0] as Promise<() => void>))();
  await settled();
  expect([gate.size, order]).toEqual([2, [4, 5, 6]]);
});

test("the last one inside may always go on", async () => {
  const gate = new Gate();
  for (const _ of [1, 2, 3]) (await gate.enter())(exhausted);
  expect((await gate.enter()) && gate.size).toBe(1);
});

test("who no longer waits at a gate keeps no place in it", async () => {
  const gate = new Gate();
  (await gate.enter())(exhausted);
  const leave = await gate.enter();
  const controllers = [new AbortController(), new AbortController()];
  const waiting = controllers.map(({ signal }) => gate.enter(signal));
  for (const one of waiting) one.catch(() => undefined);
  controllers[0]?.abort();
  // One that is let in, and gives up, at the same time.
  leave();
  controllers[1]?.abort();
  for (const one of waiting) await expect(one).rejects.toMatchObject({ code: "Interrupted" });
  await expect(gate.enter(AbortSignal.abort())).rejects.toMatchObject({ code: "Interrupted" });
  expect(gate.size).toBe(0);
});
