import { createHash } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import type { Page, Request, Route } from "playwright-core";
import { MIB, arrived, button, choose, describeForm, inPhase, rowOf, until } from "./tools";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("base64");
const PART = /partNumber=/;
const numberOf = (url: string) => Number(new URL(url).searchParams.get("partNumber"));

/** Lets so many requests for parts pass, and holds those after them. */
async function hold(page: Page, count: number) {
  let passed = 0;
  let release = () => undefined as void;
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.route(PART, async (route) => {
    passed += 1;
    if (passed > count) await released;
    await route.continue().catch(() => undefined);
  });
  return { release: () => release() };
}

/** Parts that have arrived at S3. */
function countParts(page: Page): number[] {
  const numbers: number[] = [];
  page.on("response", (response) => {
    const request: Request = response.request();
    if (request.method() === "PUT" && PART.test(request.url()) && response.ok())
      numbers.push(numberOf(request.url()));
  });
  return numbers;
}

/** Lets the next requests go wrong, and all others pass. */
async function spoil(
  page: Page,
  url: RegExp,
  times: number,
  how: (route: Route) => Promise<void>,
): Promise<void> {
  let left = times;
  await page.route(url, async (route) => {
    left -= 1;
    await (left >= 0 ? how(route) : route.continue());
  });
}

/** What a page may read. */
const READABLE = { "access-control-allow-origin": "*", "access-control-expose-headers": "ETag" };

const s3Error = (status: number, code: string) => (route: Route) =>
  route.fulfill({
    status,
    headers: READABLE,
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message><script>alert(1)</script></Message></Error>`,
  });

describeForm("An upload from a page", (form) => {
  /** A file in parts, whose bytes come to be seen. */
  const large = (name = "large.bin") => form().file(name, 65 * MIB + 1);
  /** Chooses a file, of whose parts so many arrive, and the others are held. */
  const begin = async (page: Page, path: string, count: number) => {
    const parts = countParts(page);
    const held = await hold(page, count);
    await choose(page, [path]);
    await until(() => parts.length === count);
    return { parts, ...held };
  };
  const expectWhole = async (path: string) => {
    const [payload, ...others] = await form().world.arrived();
    expect([sha256(payload?.bytes ?? Buffer.alloc(0)), others]).toEqual([sha256(readFileSync(path)), []]);
    expect(form().world.uploadsLeft()).toBe(0);
  };

  test("pauses and goes on where it was; waits while the connection is lost, says so, and goes on by itself", async () => {
    const path = large();
    const page = await form().visit();
    const parts = countParts(page);
    const held = await hold(page, 3);
    await choose(page, [path, form().file("small.txt", "small")]);
    await until(() => parts.length === 3);
    await button(page, "Pause", "large.bin").click();
    await rowOf(page, "large.bin").filter({ hasText: "Paused at 25.2 MB of 68.2 MB" }).waitFor();
    await button(page, "Resume", "large.bin").click();
    await page.context().setOffline(true);
    held.release();
    await rowOf(page, "large.bin").filter({ hasText: "No connection. It goes on by itself." }).waitFor();
    expect(await inPhase(page, "failed").count()).toBe(0);
    await page.context().setOffline(false);
    await arrived(page, 2);
    // What had arrived was not sent once more.
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("asks for another URL where the one that it has ended", async () => {
    const page = await form().visit();
    const statuses: number[] = [];
    page.on("response", (response) => {
      if (response.url().includes("X-Amz-Signature")) statuses.push(response.status());
    });
    await spoil(page, /X-Amz-Signature/, 1, (route) =>
      route.continue({
        url: route
          .request()
          .url()
          .replace(/X-Amz-Date=\d{8}/, "X-Amz-Date=20200101"),
      }),
    );
    const path = form().file("expired.txt", "expired");
    await choose(page, [path]);
    await arrived(page, 1);
    expect(statuses).toEqual([403, 200]);
    await expectWhole(path);
  });

  test("is tried again where S3, the API or the network fail for a moment, and is there once", async () => {
    const page = await form().visit();
    await spoil(page, /\/putObject$/, 2, (route) => route.fulfill({ status: 429, body: "{}" }));
    let tries = 0;
    await page.route(/X-Amz-Signature/, async (route) => {
      tries += 1;
      if (tries === 1) return await s3Error(503, "SlowDown")(route);
      if (tries === 2) return await route.abort("connectionreset");
      if (tries > 3) return await route.continue();
      // It is stored, and the answer is lost.
      await route.fetch();
      return await route.abort("connectionreset");
    });
    const path = form().file("troubled.txt", "troubled");
    await choose(page, [path]);
    await arrived(page, 1);
    expect(tries).toBe(4);
    await expectWhole(path);
  });

  test("that is cancelled leaves no parts behind, nor does one whose file changed", async () => {
    const path = large("cancelled.bin");
    const page = await form().visit();
    const { parts, release } = await begin(page, path, 2);
    expect(form().world.uploadsLeft()).toBe(1);
    await button(page, "Cancel", "cancelled.bin").click();
    await until(() => form().world.uploadsLeft() === 0);
    await inPhase(page, "cancelled").waitFor();
    release();
    await button(page, "Remove", "cancelled.bin").click();

    await page.unroute(PART);
    const next = await hold(page, 2);
    await choose(page, [path]);
    await until(() => parts.length === 4);
    appendFileSync(path, "changed");
    next.release();
    await inPhase(page, "failed").waitFor();
    expect(await rowOf(page, "cancelled.bin").locator(".status").textContent()).toBe(
      "The file was changed, moved or deleted meanwhile. Choose it once more.",
    );
    await until(() => form().world.uploadsLeft() === 0);
    expect(await form().world.objects()).toEqual([]);
  });

  test("is in one tab only, asks before the page is left, and goes on after it where the same file is chosen again", async () => {
    const path = large();
    const page = await form().visit();
    const { parts } = await begin(page, path, 5);
    const other = await form().open(page.context());
    await choose(other, [path]);
    await rowOf(other, "large.bin")
      .filter({ hasText: "on its way already, here or in another tab" })
      .waitFor();
    await other.close();
    // A browser asks of whom it has seen do something.
    await page.locator("h1").click();
    const asked = page.waitForEvent("dialog");
    const reloaded = page.reload();
    const dialog = await asked;
    expect(dialog.type()).toBe("beforeunload");
    await dialog.accept();
    await reloaded;
    await page.unroute(PART);
    expect(await page.evaluate("JSON.stringify(localStorage)")).not.toMatch(
      /https?:\/\/[^"]*X-Amz|Signature/,
    );
    await choose(page, [path]);
    await arrived(page, 1);
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await page.evaluate("Object.keys(localStorage)")).toEqual([]);
    await expectWhole(path);
    // Nothing is under way any more.
    page.on("dialog", () => form().complaints.push("asked once more"));
    await page.reload();
  });

  test("counts no part after a reload that is not the file's", async () => {
    const path = large();
    const page = await form().visit();
    const { parts } = await begin(page, path, 3);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await page.unroute(PART);
    // S3 says that one of them is another: which went first is the lanes' to say.
    const [other] = parts;
    await page.route(/X-Amz-Signature.*uploadId|uploadId.*X-Amz-Signature/, async (route) => {
      if (route.request().method() !== "GET") return await route.continue();
      const response = await route.fetch();
      const digest = Buffer.alloc(32).toString("base64");
      const body = (await response.text()).replace(
        new RegExp(`(<PartNumber>${other}<.*?<ChecksumSHA256>)[^<]*`, "s"),
        (_, before: string) => before + digest,
      );
      return await route.fulfill({ response, body });
    });
    await choose(page, [path]);
    await arrived(page, 1);
    expect(parts.filter((number) => number === other)).toHaveLength(2);
    await expectWhole(path);
  });

  test("that another tab has taken over is not ended where the first gives it up", async () => {
    const path = large();
    const page = await form().visit();
    const { parts } = await begin(page, path, 3);
    await button(page, "Pause", "large.bin").click();
    await rowOf(page, "large.bin").filter({ hasText: "Paused" }).waitFor();
    const other = await form().open(page.context());
    const { parts: otherParts, release } = await begin(other, path, 2);
    await button(page, "Cancel", "large.bin").click();
    await inPhase(page, "cancelled").waitFor();
    release();
    await arrived(other, 1);
    expect([...parts, ...otherParts].toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await expectWhole(path);
  });

  test("that S3 has dropped before it was completed is not said to have arrived, and begins anew", async () => {
    const path = large();
    const page = await form().visit();
    const parts = countParts(page);
    let tries = 0;
    await page.route(/uploadId/, async (route) => {
      if (route.request().method() !== "POST") return await route.continue();
      tries += 1;
      if (tries === 1) return await s3Error(503, "SlowDown")(route);
      // The lid was closed for two days.
      await page.evaluate("{ const now = Date.now; Date.now = () => now() + 2 * 86_400_000; }");
      return await s3Error(404, "NoSuchUpload")(route);
    });
    await choose(page, [path]);
    await inPhase(page, "failed").waitFor();
    expect([tries, parts.length]).toEqual([2, 9]);
    await page.unroute(/uploadId/);
    await button(page, "Try again", "large.bin").click();
    await arrived(page, 1);
    expect(parts).toHaveLength(18);
    const [payload] = await form().world.arrived();
    expect(sha256(payload?.bytes ?? Buffer.alloc(0))).toBe(sha256(readFileSync(path)));
  });

  test("that the bucket refuses says so plainly, with S3's word and nothing else of what it said", async () => {
    const page = await form().visit();
    await page.route(/X-Amz-Signature/, s3Error(403, "AccessDenied"));
    await choose(page, [form().file("refused.txt", "refused")]);
    await inPhase(page, "failed").waitFor();
    const status = rowOf(page, "refused.txt").locator(".status");
    expect(await status.textContent()).toBe(
      "The storage refuses it (403 AccessDenied). Try again later, or tell whoever runs this page.",
    );
    await page.unroute(/X-Amz-Signature/);
    await page.route(/X-Amz-Signature/, s3Error(400, "<img src=x onerror=alert(1)>"));
    await button(page, "Try again", "refused.txt").click();
    await status.filter({ hasText: "The storage refuses it (400). Try again later" }).waitFor();
    await page.unroute(/X-Amz-Signature/);
    await button(page, "Try again", "refused.txt").click();
    await arrived(page, 1);
  });

  test("trusts no answer of a bucket's: another place, another upload, a name that is markup", async () => {
    const page = await form().visit();
    let reached = false;
    await page.route(/evil\.example/, (route) => {
      reached = true;
      return route.fulfill({ status: 200, headers: READABLE });
    });
    await spoil(page, /\?uploads/, 1, (route) =>
      route.fulfill({
        status: 200,
        headers: READABLE,
        body: "<InitiateMultipartUploadResult><UploadId>&lt;x&gt; ../..\n</UploadId></InitiateMultipartUploadResult>",
      }),
    );
    await choose(page, [large()]);
    await inPhase(page, "failed").waitFor();
    expect(await rowOf(page, "large.bin").locator(".status").textContent()).toMatch(
      /^It is refused: upload_id must be an upload id as S3 gave it/,
    );
    // Even the API's own answer may lead the page nowhere but to the bucket.
    await page.route(/\/putObject$/, async (route) => {
      const response = await route.fetch();
      const signed = (await response.json()) as object;
      await route.fulfill({ response, json: { ...signed, url: "https://evil.example/steal" } });
    });
    await choose(page, [form().file("secret.txt", "secret")]);
    await until(() => form().complaints.some((one) => one.includes("Content Security Policy")));
    expect(reached).toBe(false);
    await page.close();
    form().complaints.length = 0;
  });
});
