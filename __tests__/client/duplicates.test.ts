import { Duplicates, compareSequencers } from "../../client/consume/duplicates";

const event = (facts: object = {}) => ({ bucket: "b", key: "k", ...facts });

/** Says for each event in a row whether it was handled. */
async function handledOf(...events: ReturnType<typeof event>[]): Promise<boolean[]> {
  const duplicates = new Duplicates();
  const handled: boolean[] = [];
  for (const one of events) handled.push(!(await duplicates.once(one, () => Promise.resolve())));
  return handled;
}

test.each([
  ["the same thrice", [{ versionId: "1" }, { versionId: "1" }, { versionId: "1" }], [true, false, false]],
  ["two versions, the older one after the newer one", [{ versionId: "2" }, { versionId: "1" }], [true, true]],
  [
    "an older one after a newer one",
    [
      { eTag: "n", sequencer: "2" },
      { eTag: "o", sequencer: "1" },
    ],
    [true, false],
  ],
  [
    "a newer one after an older one",
    [
      { eTag: "o", sequencer: "1" },
      { eTag: "n", sequencer: "2" },
    ],
    [true, true],
  ],
  [
    "the same content again",
    [
      { eTag: "e", sequencer: "1" },
      { eTag: "e", sequencer: "2" },
    ],
    [true, false],
  ],
  ["reconcile's, without a version", [{ versionId: "1", eTag: "e" }, { eTag: "e" }], [true, false]],
  ["a pointer, with nothing but a key", [{ versionId: "1", eTag: "e" }, {}], [true, false]],
  ["another bucket's", [{ versionId: "1" }, { versionId: "1", bucket: "c" }], [true, true]],
  ["another key's", [{ eTag: "e" }, { eTag: "e", key: "l" }], [true, true]],
])("%s", async (_, events, expected) => {
  expect(await handledOf(...events.map(event))).toEqual(expected);
});

test.each([
  ["1", "2", -1],
  ["2", "1", 1],
  ["0055aed6dcd90281e5", "0055aed6dcd90281e5", 0],
  // The shorter one is filled with zeros on the right.
  ["1", "10", 0],
  ["1", "11", -1],
  ["2", "11", 1],
])("the sequencers %s and %s compare as %d", (a, b, order) => {
  expect([compareSequencers(a, b), compareSequencers(b, a)]).toEqual([order, 0 - order]);
});

test.each([
  ["the same", { versionId: "1", eTag: "e" }],
  ["one without a version", { eTag: "e" }],
  ["one with nothing but a key", {}],
])("%s while the first is being handled waits for how that ends", async (_, second) => {
  const duplicates = new Duplicates();
  const { promise, resolve } = settleable();
  let handled = 0;
  const handle = () => {
    handled += 1;
    return promise;
  };
  const both = [
    duplicates.once(event({ versionId: "1", eTag: "e" }), handle),
    duplicates.once(event(second), handle),
  ];
  resolve();
  expect([await Promise.all(both), handled]).toEqual([[false, true], 1]);
});

test("where that fails, the duplicate fails too, and the next one is handled", async () => {
  const duplicates = new Duplicates();
  const { promise, reject } = settleable();
  const both = [duplicates.once(event(), () => promise), duplicates.once(event(), () => promise)];
  reject(new Error("The disk is full."));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await duplicates.once(event(), () => Promise.resolve())).toBe(false);
});

test("what was handled long ago is forgotten", async () => {
  const keys = Array.from({ length: 10_001 }, (_, index) => event({ key: String(index) }));
  expect((await handledOf(...keys, event({ key: "0" }), event({ key: "10000" }))).slice(-2)).toEqual([
    true,
    false,
  ]);
});

function settleable() {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}
