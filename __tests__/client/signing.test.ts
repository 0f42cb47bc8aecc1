import { createSigning } from "../../client/signing";
import { isAccessRefused } from "../../client/errors";

const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const API_URL = new URL("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/dev/getObject");
const MINUTE = 60_000;

/** Signs at a time, with credentials that live for so long, and says how often those were looked up. */
function signing(lifetimeMs?: number) {
  let now = Date.parse("2026-11-28T12:00:00Z");
  const credentials = jest.fn(() =>
    Promise.resolve({ ...KEYS, ...(lifetimeMs && { expiration: new Date(now + lifetimeMs) }) }),
  );
  const sign = createSigning({ credentials, region: undefined, now: () => now });
  const at = async (minutes: number, wasRefused = false) => {
    now = Date.parse("2026-11-28T12:00:00Z") + minutes * MINUTE;
    return await sign(API_URL, "{}", wasRefused);
  };
  return { at, credentials };
}

test("credentials are looked up once for requests at the same time and after one another", async () => {
  const { at, credentials } = signing(60 * MINUTE);
  await Promise.all(Array.from({ length: 20 }, () => at(0)));
  await at(54);
  expect(credentials).toHaveBeenCalledTimes(1);
});

test("credentials are replaced shortly before they expire, and never where they do not", async () => {
  const { at, credentials } = signing(60 * MINUTE);
  await at(0);
  await at(55.1);
  await at(56);
  expect(credentials).toHaveBeenCalledTimes(2);
  const forever = signing();
  await forever.at(0);
  await forever.at(1e6);
  expect(forever.credentials).toHaveBeenCalledTimes(1);
});

test("credentials that are refused are asked for again, as others", async () => {
  const { at, credentials } = signing();
  await at(0);
  await at(1, true);
  await at(2);
  expect(credentials.mock.calls).toEqual([[{ forceRefresh: false }], [{ forceRefresh: true }]]);
});

test("a request is signed for the region of its host, at the time that it is", async () => {
  const { at } = signing();
  const { authorization, "x-amz-date": date } = await at(1);
  expect(date).toBe("20261128T120100Z");
  expect(authorization).toContain("Credential=AKIDEXAMPLE/20261128/eu-central-1/execute-api/aws4_request");
});

test("credentials that cannot be had are a reason to stop, and are asked for again", async () => {
  const credentials = jest.fn().mockRejectedValueOnce(new Error("No profile.")).mockResolvedValue(KEYS);
  const sign = createSigning({ credentials, region: undefined, now: Date.now });
  const refused: unknown = await sign(API_URL, "{}", false).catch((error: unknown) => error);
  expect([refused, isAccessRefused(refused)]).toEqual([
    expect.objectContaining({
      message: "This stage wants its requests signed, and they cannot be: No profile.",
    }),
    true,
  ]);
  expect(await sign(API_URL, "{}", false)).toHaveProperty("authorization");
});

test("credentials that cannot be renewed for the moment are no reason to stop", async () => {
  const credentials = jest
    .fn()
    .mockResolvedValueOnce(KEYS)
    .mockRejectedValueOnce(new Error("STS is away."))
    .mockResolvedValue(KEYS);
  const sign = createSigning({ credentials, region: undefined, now: Date.now });
  await sign(API_URL, "{}", false);
  const failed: unknown = await sign(API_URL, "{}", true).catch((error: unknown) => error);
  expect([failed, isAccessRefused(failed)]).toEqual([
    expect.objectContaining({ code: "Unavailable", message: "Credentials cannot be renewed: STS is away." }),
    false,
  ]);
  expect(await sign(API_URL, "{}", true)).toHaveProperty("authorization");
});
