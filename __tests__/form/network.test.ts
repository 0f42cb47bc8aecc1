import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, renameSync, utimesSync } from "node:fs";
import type { Page, Request, Route } from "playwright-core";
import { MIB, arrived, button, choose, describeForm, hold, inPhase, rowOf, until } from "./tools";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("base64");
const PART = /partNumber=/;
const numberOf = (url: string) => Number(new URL(url).searchParams.get("partNumber"));

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
    await held.release();
    await rowOf(page, "large.bin")
      .filter({ hasText: "No connection. The upload continues when it is back." })
      .waitFor();
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

  test("whose signature S3 says has expired, or whose answer is 200 and an error, is signed again at every step", async () => {
    const page = await form().visit();
    const parts = countParts(page);
    const refused: string[] = [];
    const refuse = (status: number, code: string) => async (route: Route) => {
      refused.push(code);
      await s3Error(status, code)(route);
    };
    const isComplete = /\?(?=.*uploadId=)(?!.*partNumber=)/;
    await spoil(page, /\?uploads/, 1, refuse(400, "ExpiredToken"));
    await spoil(page, /partNumber=3&/, 1, refuse(400, "TokenRefreshRequired"));
    await spoil(page, /partNumber=5&/, 1, refuse(400, "RequestTimeout"));
    let completions = 0;
    await page.route(isComplete, async (route) => {
      completions += 1;
      if (completions === 1) return await refuse(400, "ExpiredToken")(route);
      if (completions === 2) return await refuse(200, "InternalError")(route);
      return await route.continue();
    });
    const path = large();
    await choose(page, [path]);
    await arrived(page, 1);
    expect(refused.toSorted()).toEqual([
      "ExpiredToken",
      "ExpiredToken",
      "InternalError",
      "RequestTimeout",
      "TokenRefreshRequired",
    ]);
    expect(parts).toHaveLength(9);
    await expectWhole(path);
    await spoil(page, /X-Amz-Signature/, 1, refuse(400, "ExpiredToken"));
    await choose(page, [form().file("small.txt", "small")]);
    await arrived(page, 2);
    expect(refused).toHaveLength(6);
  });

  test("says while it waits what it waits for, and fails 5 minutes after its first failure", async () => {
    const page = await form().visit();
    await page.clock.install();
    await page.reload();
    await page.route(/X-Amz-Signature/, s3Error(503, "SlowDown"));
    await choose(page, [form().file("patient.txt", "patient")]);
    const status = rowOf(page, "patient.txt").locator(".status");
    const says = (text: RegExp) => status.filter({ hasText: text }).waitFor();
    await says(/^The storage service is busy \(503 SlowDown\)\. Trying again for 5 min\.$/);
    await page.clock.fastForward(290_000);
    await says(/^The storage service is busy \(503 SlowDown\)\. Trying again for \d s\.$/);
    await page.clock.fastForward(20_000);
    await inPhase(page, "failed").waitFor();
    expect(await status.textContent()).toBe("Upload failed after several attempts (503 SlowDown).");
    await page.unroute(/X-Amz-Signature/);
    await button(page, "Try again", "patient.txt").click();
    await arrived(page, 1);
  });

  test("waits for a lost connection as long as it takes", async () => {
    const page = await form().visit();
    await page.clock.install();
    await page.reload();
    await page.context().setOffline(true);
    await choose(page, [form().file("train.txt", "in a tunnel")]);
    await rowOf(page, "train.txt").filter({ hasText: "No connection." }).waitFor();
    await page.clock.fastForward(3_600_000);
    expect(await rowOf(page, "train.txt").locator(".status").textContent()).toMatch(/^No connection\./);
    await page.context().setOffline(false);
    await arrived(page, 1);
  });

  test("waits as long as the API asks for, and fails at once where that is more than 5 minutes", async () => {
    const page = await form().visit();
    const asked: number[] = [];
    const refuse = (seconds: number) => (route: Route) => {
      asked.push(seconds);
      return route.fulfill({
        status: 429,
        headers: { "retry-after": String(seconds) },
        json: { error: { code: "TooManyRequests", message: "Too many requests." } },
      });
    };
    await spoil(page, /\/putObject$/, 1, refuse(1));
    const start = Date.now();
    await choose(page, [form().file("asked.txt", "asked")]);
    await arrived(page, 1);
    expect([asked, Date.now() - start >= 1000]).toEqual([[1], true]);
    await page.route(/\/putObject$/, refuse(301));
    await choose(page, [form().file("refused.txt", "refused")]);
    await inPhase(page, "failed").waitFor();
    expect(await rowOf(page, "refused.txt").locator(".status").textContent()).toBe(
      "Upload failed after several attempts (429 TooManyRequests). Too many requests.",
    );
    expect(asked).toEqual([1, 301]);
  });

  test("whose bytes S3 got damaged is tried again", async () => {
    const page = await form().visit();
    await spoil(page, /X-Amz-Signature/, 1, s3Error(400, "BadDigest"));
    await choose(page, [form().file("damaged.txt", "damaged")]);
    await arrived(page, 1);
    expect((await form().world.arrived()).map(({ bytes }) => bytes.toString())).toEqual(["damaged"]);
  });

  test("that is cancelled leaves no parts behind, nor does one whose file is gone", async () => {
    const path = large("cancelled.bin");
    const page = await form().visit();
    const { parts, release } = await begin(page, path, 2);
    expect(form().world.uploadsLeft()).toBe(1);
    await button(page, "Cancel", "cancelled.bin").click();
    await until(() => form().world.uploadsLeft() === 0);
    await inPhase(page, "cancelled").waitFor();
    await release();
    await button(page, "Remove", "cancelled.bin").click();

    const next = await hold(page, 2);
    await choose(page, [path]);
    await until(() => parts.length === 4);
    renameSync(path, `${path}.moved`);
    await next.release();
    await inPhase(page, "failed").waitFor();
    expect(await rowOf(page, "cancelled.bin").locator(".status").textContent()).toBe(
      "The file was changed, moved or deleted during the upload. Choose it again.",
    );
    expect(await page.getByRole("button", { name: /^Try again/ }).count()).toBe(0);
    await until(() => form().world.uploadsLeft() === 0);
    expect(await form().world.objects()).toEqual([]);
  });

  test("whose file cannot be read keeps its parts until it is removed, or goes on where the file is chosen again", async () => {
    const path = large("unreadable.bin");
    const touch = (seconds: number) => utimesSync(path, seconds, seconds);
    touch(2);
    const page = await form().visit();
    const { parts, release } = await begin(page, path, 2);
    // A browser does not read a file of another date, and does not say why.
    touch(1);
    await release();
    await inPhase(page, "failed").waitFor();
    expect(await rowOf(page, "unreadable.bin").locator(".status").textContent()).toBe(
      "The file cannot be read: it has changed, or is not available at the moment. Choose it again to continue.",
    );
    touch(2);
    await choose(page, [path]);
    await arrived(page, 1);
    expect(new Set(parts).size).toBe(9);
    expect(parts).toHaveLength(9);
    await expectWhole(path);
    await button(page, "Remove", "unreadable.bin").first().click();
    expect(await inPhase(page, "done").count()).toBe(1);

    const changed = await begin(page, large("changed.bin"), 2);
    appendFileSync(large("changed.bin"), "changed");
    await changed.release();
    await inPhase(page, "failed").waitFor();
    expect(form().world.uploadsLeft()).toBe(1);
    await button(page, "Remove", "changed.bin").click();
    await until(() => form().world.uploadsLeft() === 0);
  });

  test("pauses, goes on, is tried again and cancelled where storage can be read but not written", async () => {
    const page = await form().visit();
    await page.addInitScript(`Storage.prototype.setItem = () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    }`);
    await page.reload();
    const path = large();
    const { parts, release } = await begin(page, path, 3);
    await button(page, "Pause", "large.bin").click();
    await rowOf(page, "large.bin").filter({ hasText: "Paused" }).waitFor();
    await release();
    await page.route(/partNumber=7&/, s3Error(400, "InvalidRequest"));
    await button(page, "Resume", "large.bin").click();
    await inPhase(page, "failed").waitFor();
    await page.unroute(/partNumber=7&/);
    await button(page, "Try again", "large.bin").click();
    await arrived(page, 1);
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await expectWhole(path);

    const cancelled = await begin(page, large("cancelled.bin"), 1);
    await button(page, "Cancel", "cancelled.bin").click();
    await until(() => form().world.uploadsLeft() === 0);
    await cancelled.release();
  });

  test("whose file cannot be read while the page is being left ends in nothing, and goes on if the page stays", async () => {
    const path = large();
    const page = await form().visit();
    await page.clock.install();
    await page.reload();
    const parts = countParts(page);
    // WebKit reads no file from the moment that a page is being left; which error it gives is its own affair.
    await page.evaluate(`{
      const { arrayBuffer } = Blob.prototype;
      window.reads = 0;
      window.leaveAtRead = (number, event) => {
        window.left = new Promise((resolve) => {
          Blob.prototype.arrayBuffer = async function () {
            reads += 1;
            if (reads < number) return await arrayBuffer.call(this);
            if (reads === number) dispatchEvent(new Event(event));
            resolve();
            throw new DOMException("no", "NotFoundError");
          };
        });
      };
      leaveAtRead(4, "beforeunload");
    }`);
    const holdsStill = async () => {
      await page.evaluate("left");
      await page.clock.fastForward(5000);
      expect([await inPhase(page, "running").count(), form().world.uploadsLeft()]).toEqual([1, 1]);
      expect(await page.evaluate("Object.keys(localStorage).length")).toBe(1);
    };
    await choose(page, [path]);
    await holdsStill();
    await page.evaluate(`leaveAtRead(reads + 2, "pagehide")`);
    await page.clock.fastForward(10_000);
    await holdsStill();
    await page.clock.fastForward(60_000);
    await holdsStill();
    await page.evaluate(`{ leaveAtRead(Infinity); dispatchEvent(new Event("pageshow")); }`);
    await page.clock.fastForward(1000);
    await arrived(page, 1);
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await expectWhole(path);
  });

  test("is in one tab only, asks before the page is left, and goes on after it where the same file is chosen again", async () => {
    const path = large();
    const page = await form().visit();
    const { parts } = await begin(page, path, 5);
    const other = await form().open(page.context());
    await choose(other, [path]);
    await rowOf(other, "large.bin")
      .filter({ hasText: "is being uploaded already, here or in another tab" })
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
    expect(await page.evaluate("JSON.stringify(localStorage)")).not.toMatch(
      /https?:\/\/[^"]*X-Amz|Signature/,
    );
    const interrupted = page.locator("#interrupted li");
    expect(await interrupted.innerText()).toMatch(
      /^large\.bin was interrupted at \d+\s%\. Choose the same file again to continue\.\s+Discard$/,
    );
    await page.getByRole("status").filter({ hasText: "large.bin was interrupted" }).waitFor();
    await choose(page, [path]);
    await arrived(page, 1);
    await interrupted.waitFor({ state: "detached" });
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await page.evaluate("Object.keys(localStorage)")).toEqual([]);
    await expectWhole(path);
    // Nothing is under way any more.
    page.on("dialog", () => form().complaints.push("asked once more"));
    await page.reload();
  });

  test("that a reload has interrupted is discarded where its visitor says so, and is none of another tab's that pauses it", async () => {
    const path = large("given-up.bin");
    const page = await form().visit();
    await begin(page, path, 3);
    const other = await form().open(page.context());
    await other.locator("h1").waitFor();
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await button(page, "Discard", "given-up.bin").click();
    await page.locator("#interrupted li").waitFor({ state: "detached" });
    await page.getByRole("status").filter({ hasText: "given-up.bin is discarded." }).waitFor();
    await until(() => form().world.uploadsLeft() === 0);
    expect(await page.evaluate("Object.keys(localStorage)")).toEqual([]);
    await other.reload();
    expect(await other.locator("#interrupted li").count()).toBe(0);
  });

  test("that continues after a reload has no speed until more bytes are sent", async () => {
    const path = large();
    const page = await form().visit();
    await begin(page, path, 3);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.clock.install();
    await page.reload();
    const { release } = await hold(page, 0);
    await choose(page, [path]);
    const status = rowOf(page, "large.bin").locator(".status");
    await status.filter({ hasText: /^25\.2 MB/ }).waitFor();
    await page.clock.fastForward(3000);
    expect(await status.textContent()).toBe("25.2 MB of 68.2 MB");
    await release();
    await arrived(page, 1);
  });

  test("counts no part after a reload that is not the file's", async () => {
    const path = large();
    const page = await form().visit();
    const { parts } = await begin(page, path, 3);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
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
    // A tab lets go of a file once what it was doing with it has ended.
    await page.evaluate(`navigator.locks.query().then(({ held }) =>
      Promise.all(held.map(({ name }) => navigator.locks.request(name, () => undefined))))`);
    const other = await form().open(page.context());
    const { parts: otherParts, release } = await begin(other, path, 2);
    await button(page, "Cancel", "large.bin").click();
    await inPhase(page, "cancelled").waitFor();
    await release();
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
    let attempts = 0;
    await page.route(/X-Amz-Signature/, async (route) => {
      attempts += 1;
      await s3Error(403, "AccessDenied")(route);
    });
    await choose(page, [form().file("refused.txt", "refused")]);
    await inPhase(page, "failed").waitFor();
    const status = rowOf(page, "refused.txt").locator(".status");
    expect(await status.textContent()).toBe("The storage service rejected the upload (403 AccessDenied).");
    // Another URL might have helped.
    expect(attempts).toBe(3);
    await page.unroute(/X-Amz-Signature/);
    await page.route(/X-Amz-Signature/, s3Error(400, "<img src=x onerror=alert(1)>"));
    await button(page, "Try again", "refused.txt").click();
    await status.filter({ hasText: "The storage service rejected the upload (400)." }).waitFor();
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
      /^Rejected: upload_id must be an upload id as S3 gave it/,
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
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.close();
    form().complaints.length = 0;
  });
});
