import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { App } from "cdktf";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Locator,
  type Page,
  chromium,
} from "playwright-core";
import { CHROMIUM_ARGS } from "../../local/chromium";
import { ProducerConsumerStack } from "../../stacks/producer-consumer-stack";
import type { StageConfig } from "../../stacks/stage";
import { World } from "../client/tools";
import { temporaryFolder } from "../local/tools";
import { OPEN } from "../stacks/inspection-stack";
import { describeWith } from "../terraform/describe-with";

export { MIB, until } from "../client/tools";

/** Where no method is throttled: a test asks more in a second than people do. */
const UNTHROTTLED = { throttlingRateLimit: 10_000, throttlingBurstLimit: 5000 } as const;

/** A browser, a running chain, and ways to look behind both. */
export class FormWorld {
  /** What the browser refused because of the page's policy, or said that broke. */
  readonly complaints: string[] = [];
  readonly #contexts: BrowserContext[] = [];

  constructor(
    readonly browser: Browser,
    readonly world: World,
    private readonly folder: string,
  ) {}

  /** Opens the page, as another visitor. */
  async visit(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext(options);
    this.#contexts.push(context);
    return await this.open(context);
  }

  /** Opens the page in one more tab of a visitor. */
  async open(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // A browser tells of each answer that is no 2xx.
      if (!/^Failed to load resource|net::ERR/.test(message.text())) this.complaints.push(message.text());
    });
    await page.goto(this.world.chain.apiUrl);
    return page;
  }

  /** Makes a file. @param content its bytes, or how many pseudo-random ones */
  file(name: string, content: string | number): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string") writeFileSync(path, content);
    else if (!existsSync(path) || statSync(path).size !== content) writeNoise(path, content);
    return path;
  }

  async clear(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
    await this.world.clear();
  }
}

/** Bytes of which no two blocks are the same, quickly. */
function writeNoise(path: string, size: number): void {
  const file = openSync(path, "w");
  const block = Buffer.alloc(1024 ** 2);
  for (let start = 0; start < size; start += block.length) {
    const seed = createHash("sha512").update(`${path} ${start}`).digest();
    for (let at = 0; at < block.length; at += 4096) seed.copy(block, at);
    writeSync(file, block, 0, Math.min(block.length, size - start));
  }
  ftruncateSync(file, size);
  closeSync(file);
}

/**
 * A suite with one browser and one chain; skipped, or in CI failed, where there is no browser.
 *
 * @param config of the stage, as far as it is not a stage without switches
 */
export function describeForm(
  name: string,
  suite: (form: () => FormWorld) => void,
  config: Partial<StageConfig> = {},
): void {
  // oxlint-disable-next-line jest/valid-title, jest/valid-describe-callback -- it makes a suite, and is none.
  describeWith(["chromium"], name, ({ chromium: executablePath }) => {
    const folder = temporaryFolder();
    let form: FormWorld;
    beforeAll(async () => {
      jest.spyOn(console, "error").mockImplementation(() => undefined);
      const app = new App({ outdir: join(folder, "out") });
      new ProducerConsumerStack(app, "form", { ...OPEN, ...UNTHROTTLED, ...config });
      app.synth();
      const world = await World.create(join(folder, "out", "stacks", "form"), join(folder, "data"));
      const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGS] });
      form = new FormWorld(browser, world, join(folder, "files"));
    });
    afterEach(async () => {
      await form.clear();
      // oxlint-disable-next-line jest/no-standalone-expect -- it holds for every test.
      expect(form.complaints.splice(0)).toEqual([]);
    });
    afterAll(async () => {
      await form.browser.close();
      await form.world.stop();
    });
    suite(() => form);
  });
}

/** Chooses files, or one folder. */
export const choose = (page: Page, paths: string | readonly string[], what: "files" | "folder" = "files") =>
  page.locator(`#${what}`).setInputFiles(paths);

/** Drops files and folders onto the page, as a person does: past what a script could do. */
export async function drop(page: Page, files: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [...files], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
  }
  await session.detach();
}

export const rows = (page: Page): Locator => page.locator(".row");
export const rowOf = (page: Page, name: string): Locator => rows(page).filter({ hasText: name });
export const inPhase = (page: Page, phase: string): Locator => page.locator(`.row[data-phase="${phase}"]`);
export const button = (page: Page, label: string, name: string): Locator =>
  page.getByRole("button", { name: `${label}: ${name}`, exact: true });

/** Waits until so many have arrived. */
export const arrived = (page: Page, count: number): Promise<void> =>
  inPhase(page, "done")
    .nth(count - 1)
    .waitFor();

export const keysOf = (page: Page): Promise<string[]> => page.locator(".row code").allTextContents();

/**
 * Lets so many parts of a page's uploads ask for their URLs, and holds those after them. It is done in the page: of a
 * page with a route, Chromium hands over every body, which takes ten times as long.
 */
export async function hold(page: Page, count: number) {
  await page.evaluate(`{
    const { fetch } = window;
    let asked = 0;
    const released = new Promise((resolve) => { window.release = resolve; });
    window.reached = new Promise((reach) => {
      window.fetch = async (url, options) => {
        if (url.endsWith("/uploadPart")) asked += 1;
        if (asked > ${count} && url.endsWith("/uploadPart")) {
          reach();
          const { signal } = options;
          await Promise.race([
            released,
            new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
          ]);
        }
        return await fetch(url, options);
      };
    });
    // The value of this script: a promise would be waited for.
    undefined;
  }`);
  return {
    reached: () => page.evaluate("reached"),
    release: () => page.evaluate("release()"),
  };
}
