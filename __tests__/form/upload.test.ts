import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "../../client/consume/consumer";
import { CREDENTIALS } from "../../local/chain";
import {
  MIB,
  arrived,
  button,
  choose,
  describeForm,
  drop,
  hold,
  inPhase,
  keysOf,
  rowOf,
  rows,
} from "./tools";

const sha256 = async (stream: NodeJS.ReadableStream) => {
  const hash = createHash("sha256");
  await pipeline(stream, hash);
  return hash.digest("base64");
};

describeForm("A visitor's files", (form) => {
  /** What a consumer gets: the digest of each payload by its key, with its type. */
  async function consumed(maxMessages: number) {
    const { apiUrl, queueUrl, sqsEndpoint, stack } = form().world.chain;
    const sqs = new SQSClient({ endpoint: sqsEndpoint, region: stack.region, credentials: CREDENTIALS });
    const digests = new Map<string, readonly [digest: string, type: string | undefined]>();
    await new Consumer({
      apiUrl,
      queueUrl,
      sqs,
      maxMessages,
      handler: async ({ key, body, contentType }) => {
        digests.set(key, [await sha256(body), contentType]);
      },
    }).run();
    sqs.destroy();
    return digests;
  }

  test("arrive at a consumer as they were dropped, and are known by the keys that the page shows", async () => {
    const names = ["cat.txt", "süß 🐈 (1)+&%.json", "empty.bin"];
    const paths = names.map((name, index) => form().file(name, "miau".repeat(index < 2 ? 1000 + index : 0)));
    const page = await form().visit();
    await drop(page, paths);
    await arrived(page, 3);
    const keys = await keysOf(page);
    expect(keys.map((key) => key.replace(/^input\/[0-9a-f-]{36}\//, ""))).toEqual(names);
    const digests = await consumed(3);
    for (const [index, path] of paths.entries()) {
      const type = ["text/plain", "application/json", "application/octet-stream"][index];
      expect(digests.get(keys[index] ?? "")).toEqual([await sha256(createReadStream(path)), type]);
    }
  });

  test("of 200 MiB go up in parts, several at once, and are whole", async () => {
    const path = form().file("large.bin", 200 * MIB + 1);
    const page = await form().visit();
    const parts: number[] = [];
    let atOnce = 0;
    let most = 0;
    const isPart = (request: { url(): string; method(): string }) =>
      request.method() === "PUT" && request.url().includes("partNumber=");
    page.on("request", (request) => {
      if (!isPart(request)) return;
      parts.push(Number(new URL(request.url()).searchParams.get("partNumber")));
      most = Math.max(most, (atOnce += 1));
    });
    page.on("requestfinished", (request) => {
      if (isPart(request)) atOnce -= 1;
    });
    await choose(page, [path]);
    await arrived(page, 1);
    expect(parts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
    expect(most).toBe(4);
    const [[digest] = []] = [...(await consumed(1)).values()];
    expect(digest).toBe(await sha256(createReadStream(path)));
    expect(form().world.uploadsLeft()).toBe(0);
  });

  test("come with the folders that they lie in, however they are given", async () => {
    const paths = ["photos/a.txt", "photos/2026/b.txt", "photos/2026/empty/c.txt"].map((name) =>
      form().file(name, name),
    );
    const folder = dirname(paths[0] ?? "");
    const page = await form().visit();
    await choose(page, folder, "folder");
    await arrived(page, 3);
    await drop(page, [folder, form().file("beside.txt", "d")]);
    await arrived(page, 7);
    const names = (await keysOf(page)).map((key) => key.slice(43)).toSorted();
    const inFolder = paths.map((path) => path.slice(folder.length - basename(folder).length)).toSorted();
    expect(names).toEqual([...inFolder, ...inFolder, "beside.txt"].toSorted());
    const stored = await form().world.arrived();
    for (const { key, bytes } of stored) {
      expect(bytes.toString()).toBe(key.endsWith("beside.txt") ? "d" : key.slice(43));
    }
  });

  test("whose names can be no key's are sent under names that can, which the row says", async () => {
    const cases: [string, string][] = [
      ["rtl\u202efdp.exe", "rtl_fdp.exe"],
      ["back\\slash\u0007.txt", "back_slash_.txt"],
      [`${"ü".repeat(120)}.txt`, `${"ü".repeat(120)}.txt`],
    ];
    const page = await form().visit();
    await choose(
      page,
      cases.map(([name]) => form().file(name, name)),
    );
    await arrived(page, 3);
    expect((await keysOf(page)).map((key) => key.slice(43))).toEqual(cases.map(([, sent]) => sent));
    expect(await rows(page).locator(".renamed:visible").allTextContents()).toEqual([
      "Uploaded as rtl_fdp.exe: unsupported characters were replaced.",
      "Uploaded as back_slash_.txt: unsupported characters were replaced.",
    ]);
  });

  test("with names that would be markup are shown as they are", async () => {
    const name = "<img src=x onerror=alert(1)>&amp;.txt";
    const page = await form().visit();
    await choose(page, [form().file(name, "x")]);
    await arrived(page, 1);
    expect(await page.locator(".base").textContent()).toBe(name);
    expect(await page.locator("img").count()).toBe(0);
  });

  test("that are chosen while others are on their way join them, and one may be sent twice", async () => {
    const path = form().file("twice.txt", "twice");
    const page = await form().visit();
    await choose(page, [path]);
    await choose(page, [path]);
    await arrived(page, 2);
    expect(new Set(await keysOf(page)).size).toBe(2);
  });

  test("are sent, paused, gone on with and taken off the list with the keyboard alone", async () => {
    const page = await form().visit({ permissions: ["clipboard-read", "clipboard-write"] });
    const focused = () => page.locator(":focus");
    const at = (label: string) => page.locator(`:focus[aria-label="${label}"]`).waitFor();
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Tab");
    expect(await focused().textContent()).toBe("Choose files");
    await page.keyboard.press("Enter");
    const held = await hold(page, 1);
    await (await chooser).setFiles(form().file("keys.bin", 66 * MIB));
    await held.reached();
    for (const key of ["Tab", "Tab"]) await page.keyboard.press(key);
    await at("Pause: keys.bin");
    await page.keyboard.press("Space");
    await at("Resume: keys.bin");
    await held.release();
    await page.keyboard.press("Space");
    await arrived(page, 1);
    // Its button is gone, and the keyboard is where there is something to do.
    await at("Copy key: keys.bin");
    await page.keyboard.press("Enter");
    const [key] = await keysOf(page);
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(key);
    await page.keyboard.press("Tab");
    await at("Hide: keys.bin");
    await page.keyboard.press("Enter");
    expect(await rows(page).count()).toBe(0);
    expect(await focused().textContent()).toBe("Choose files");
  });

  test("are told of to who cannot see them", async () => {
    const page = await form().visit();
    const live = page.getByRole("status");
    await choose(page, [form().file("heard.txt", "x")]);
    await live.filter({ hasText: "1 file added." }).waitFor();
    await live.filter({ hasText: "heard.txt is uploaded." }).waitFor();
    await choose(page, [form().file("a.txt", "x"), form().file("b.txt", "x")]);
    await live.filter({ hasText: "All files are uploaded." }).waitFor();
    expect(await live.count()).toBe(1);
  });

  test("may be ten thousand: the page stays usable, shows a hundred, and does what it is told", async () => {
    const page = await form().visit();
    const drawn = await page.evaluate(`(async () => {
      const transfer = new DataTransfer();
      for (let index = 0; index < 10000; index += 1) transfer.items.add(new File([String(index)], index + ".txt"));
      const start = performance.now();
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      await new Promise((resolve) => setTimeout(() => requestAnimationFrame(resolve), 0));
      return performance.now() - start;
    })()`);
    expect(drawn).toBeLessThan(2000);
    const summary = (text: RegExp) => page.locator("#summary").filter({ hasText: text }).waitFor();
    await summary(/^[1-9]\d* of 10,000 files/);
    expect(await rows(page).count()).toBeLessThanOrEqual(101);
    expect(await page.locator("#more").textContent()).toMatch(/^9,\d{3} more files waiting/);
    await page.getByRole("button", { name: "Pause all" }).click();
    await page.getByRole("button", { name: "Resume all" }).waitFor();
    await page.getByRole("button", { name: "Clear finished" }).click();
    await summary(/^0 of 9,\d{3} files/);
    expect(await inPhase(page, "paused").count()).toBeGreaterThan(90);
  });
});

const SMALL = "A stage that takes images and PDF of at most 1 MB";
describeForm(
  SMALL,
  (form) => {
    test("says so on its page, and of a file that it does not take, without a request", async () => {
      const page = await form().visit();
      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      expect(await page.locator("header").innerText()).toContain("Up to 1.0 MB each. Images and PDF only.");
      await choose(page, [form().file("large.png", 1_500_000), form().file("page.html", "<p>")]);
      await inPhase(page, "failed").nth(1).waitFor();
      expect(await page.locator(".status").allTextContents()).toEqual([
        "Too large: 1.5 MB. The limit is 1.0 MB.",
        "Files of the type text/html are not accepted: images and PDF only.",
      ]);
      expect(asked).toEqual([]);
      // Another try would end in the same way.
      expect(await page.getByRole("button", { name: /^Try again/ }).count()).toBe(0);
      await button(page, "Remove", "page.html").click();
      expect(await rows(page).count()).toBe(1);
    });

    test("takes a file whose type the browser does not know, by its name", async () => {
      const page = await form().visit();
      await page.evaluate(`{
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "photo.HEIC"));
        transfer.items.add(new File(["x"], "paper.pdf", { type: "application/x-pdf" }));
        transfer.items.add(new File(["x"], "data.csv", { type: "application/vnd.ms-excel" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
      }`);
      await arrived(page, 2);
      const payloads = await form().world.arrived();
      expect(new Set(payloads.map(({ contentType }) => contentType))).toEqual(
        new Set(["application/pdf", "image/heic"]),
      );
      expect(await rowOf(page, "data.csv").locator(".status").textContent()).toBe(
        "Files of the type text/csv are not accepted: images and PDF only.",
      );
    });

    test("is asked by a page that was made for another, and its own refusal is told", async () => {
      const page = await form().visit();
      await page.route(/\/putObject$/, async (route) => {
        const asked = route.request().postDataJSON() as object;
        await route.continue({ postData: JSON.stringify({ ...asked, content_type: "text/html" }) });
      });
      await choose(page, [form().file("small.png", "x")]);
      await inPhase(page, "failed").waitFor();
      expect(await rowOf(page, "small.png").locator(".status").textContent()).toBe(
        'Rejected: content_type must be of a type that is taken here: image/*, application/pdf, not "text/html".',
      );
      await page.unroute(/\/putObject$/);
      await button(page, "Try again", "small.png").click();
      await arrived(page, 1);
      const [payload] = await form().world.arrived();
      expect([payload?.contentType, payload?.bytes]).toEqual([
        "image/png",
        readFileSync(form().file("small.png", "x")),
      ]);
    });
  },
  { contentTypes: ["image/*", "application/pdf"], maxObjectBytes: 1_000_000 },
);
