import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { showEverything } from "../../local/screenshot";
import { temporaryFolder } from "../local/tools";
import { button, choose, describeForm, inPhase } from "./tools";

const ROOT = join(__dirname, "../..");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe finds. Its script comes past the page's policy, as a debugger's does. */
async function violations(page: Page): Promise<Violation[]> {
  const session = await page.context().newCDPSession(page);
  const evaluate = async (expression: string) => {
    const { result } = await session.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    return result.value as string;
  };
  await evaluate(`${AXE}; 0`);
  const json = await evaluate("axe.run(document).then(({ violations }) => JSON.stringify(violations))");
  await session.detach();
  return JSON.parse(json) as Violation[];
}

const WIDTHS = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 800 } } as const;
const LOOKS = (["light", "dark"] as const).flatMap((colorScheme) =>
  (["phone", "desktop"] as const).map((device) => ({ device, colorScheme })),
);
/** Parts that go up until the page holds still. */
const PARTS = 2;

describeForm(
  "The page",
  (form) => {
    const folder = temporaryFolder();

    test("is for everybody on phone and desktop, in light and dark: axe finds nothing, and nothing sticks out", async () => {
      const page = await form().visit({ reducedMotion: "reduce" });
      const look = async () => {
        for (const { device, colorScheme } of LOOKS) {
          await page.setViewportSize(WIDTHS[device]);
          await page.emulateMedia({ colorScheme });
          expect([device, colorScheme, await violations(page)]).toEqual([device, colorScheme, []]);
          const { content, visible, least } = (await page.evaluate(`({
            content: document.documentElement.scrollWidth,
            visible: document.documentElement.clientWidth,
            least: Math.min(...[...document.querySelectorAll("button")].map((one) => one.offsetHeight).filter(Boolean)),
          })`)) as Record<"content" | "visible" | "least", number>;
          expect([device, content]).toEqual([device, visible]);
          // A finger needs more room than a mouse.
          expect(least).toBeGreaterThanOrEqual(device === "phone" ? 44 : 36);
        }
      };
      await look();
      await showEverything(page, folder, PARTS);
      await page.evaluate(`{
        const entry = { name: "interview.mp4", done: 0.4, begunAt: Date.now(), key: "", uploadId: "" };
        localStorage.setItem("tweedle:" + location.href + "/:id", JSON.stringify(entry));
        dispatchEvent(new Event("storage"));
      }`);
      await button(page, "Discard", "interview.mp4").waitFor();
      await look();
      // What turns, stands still for who wants that.
      const moving = () => page.evaluate("document.getAnimations().length");
      expect(await moving()).toBe(0);
      await page.emulateMedia({ reducedMotion: "no-preference" });
      expect(await moving()).toBeGreaterThan(0);
    });

    test("says without a script that it needs one", async () => {
      const page = await form().visit({ javaScriptEnabled: false });
      const text = "This page needs JavaScript to send files.";
      expect(await page.locator("noscript").innerText()).toBe(text);
    });

    test("copies a key, and says that it did", async () => {
      const page = await form().visit({ permissions: ["clipboard-read", "clipboard-write"] });
      await choose(page, [form().file("poster.pdf", "%PDF")]);
      await page.getByRole("status").filter({ hasText: "poster.pdf is uploaded." }).waitFor();
      await button(page, "Copy key", "poster.pdf").click();
      await inPhase(page, "done").getByText("Copied").waitFor();
      await page
        .getByRole("status")
        .filter({ hasText: /^Copied the key/ })
        .waitFor();
      // The second time, too, a screen reader hears of it: the text changes.
      const heard = page.evaluate(`new Promise((resolve) => {
        const live = document.getElementById("live");
        const before = live.textContent;
        new MutationObserver(() => resolve([before, live.textContent])).observe(live, { childList: true });
      })`);
      await button(page, "Copy key", "poster.pdf").click();
      const [before, after] = (await heard) as [string, string];
      expect([before, after.trim()]).toEqual([
        "Copied the key of poster.pdf.",
        "Copied the key of poster.pdf.",
      ]);
      expect(after).not.toBe(before);
      const [key] = await page.locator(".row code:visible").allTextContents();
      expect(await page.evaluate("navigator.clipboard.readText()")).toBe(key);
      expect(key).toMatch(/^input\/[0-9a-f-]{36}\/poster\.pdf$/);
    });

    test("is shown in nobody's frame", async () => {
      const page = await form().visit();
      const { apiUrl } = form().world.chain;
      await page.route("http://other.example/", (route) =>
        route.fulfill({ contentType: "text/html", body: `<iframe src="${apiUrl}"></iframe>` }),
      );
      await page.goto("http://other.example/");
      const frame = page.frames()[1];
      await frame?.getByText("is blocked").first().waitFor({ state: "attached" });
      expect(await frame?.locator("#choose-files").count()).toBe(0);
      // Why, a browser may say or not.
      form().complaints.length = 0;
    });

    test("asks for itself once: the next time, its ETag is enough", async () => {
      const page = await form().visit();
      const [response] = await Promise.all([page.waitForResponse(form().world.chain.apiUrl), page.reload()]);
      expect((await response.request().allHeaders())["if-none-match"]).toBe(response.headers()["etag"]);
    });
  },
  { contentTypes: ["image/*", "video/*", "application/pdf"] },
);

test("The README's picture of the page is there, and small", () => {
  const path = "functions/upload-form/upload-form.png";
  expect(statSync(join(ROOT, path)).size).toBeLessThan(200_000);
  expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain(`](${path})`);
});
