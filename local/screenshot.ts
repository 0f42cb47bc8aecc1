import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import { type Browser, type BrowserContextOptions, type Page, chromium } from "playwright-core";
import { ProducerConsumerStack } from "../stacks/producer-consumer-stack";
import { type StageConfig, stackName } from "../stacks/stage";
import { CHROMIUM_ARGS, findChromium } from "./chromium";
import { start } from "./chain";
import { StartError } from "./server";

/** Where the README has it from. */
const PICTURE = join(__dirname, "../functions/upload-form/upload-form.png");

const MB = 1000 ** 2;

const STAGE: StageConfig = {
  stage: "picture",
  accountId: "123456789012",
  region: "eu-central-1",
  consumerAuthorization: "NONE",
  throttlingRateLimit: 10_000,
  throttlingBurstLimit: 5000,
  maxObjectBytes: 5_000_000_000,
  contentTypes: ["image/*", "video/*", "application/pdf"],
  uploadFormTitle: "Send us your recordings",
};

/** What is chosen: one of each kind of row. */
const FILES = [
  { name: "interview.mp4", bytes: 212 * MB },
  { name: "harbour at night.mov", bytes: 96 * MB },
  { name: "poster.pdf", bytes: 2.4 * MB },
  { name: "notes.html", bytes: 1200 },
] as const;

/**
 * Brings a page to where every kind of row is on it: one that is under way, one that is paused, one that has arrived and
 * one that is not taken. What is under way stays where it is.
 *
 * @param folder where the files are made
 * @param parts how many parts go up before it holds still
 */
export async function showEverything(page: Page, folder: string, parts: number): Promise<void> {
  let begun = 0;
  let ended = 0;
  const still = new Promise<void>((resolve) => {
    page.on("response", (response) => {
      if (response.request().method() === "PUT" && response.url().includes("partNumber=")) ended += 1;
      if (ended === parts) resolve();
    });
  });
  await page.route(/partNumber=/, async (route) => {
    begun += 1;
    // The rest is never answered.
    if (begun <= parts) await route.continue().catch(() => undefined);
  });
  const paths = FILES.map(({ name, bytes }) => {
    const path = join(folder, name);
    writeFileSync(path, "");
    truncateSync(path, bytes);
    return path;
  });
  await page.locator("#files").setInputFiles(paths);
  const row = (name: string) => page.locator(".row").filter({ hasText: name });
  await still;
  await page.getByRole("button", { name: /^Pause: harbour/ }).click();
  await row("harbour").filter({ hasText: "Paused" }).waitFor();
  await page.locator('.row[data-phase="done"]').waitFor();
  await page.locator('.row[data-phase="failed"]').waitFor();
}

/** A picture of the page with everything on it. */
async function picture(browser: Browser, url: string, folder: string, options: BrowserContextOptions) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.goto(url);
  await showEverything(page, folder, 10);
  const bytes = await page.screenshot({ fullPage: true, caret: "initial" });
  await context.close();
  return `data:image/png;base64,${bytes.toString("base64")}`;
}

/** Both side by side, as a README shows them. */
async function compose(browser: Browser, desktop: string, phone: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1200 } });
  await page.setContent(`<!doctype html><style>
    body { display: inline-flex; gap: 32px; align-items: flex-start; margin: 0; padding: 32px; background: #cfd6e2; }
    img { display: block; border-radius: 14px; box-shadow: 0 12px 32px -12px rgb(0 0 0 / 45%); }
  </style><body><img src="${desktop}"><img src="${phone}">`);
  await page.locator("body").screenshot({ path: PICTURE });
}

/** npm run screenshot: makes the README's picture of the upload form, of the real page on the local chain. */
async function main(): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new StartError("There is no chromium on the PATH: apt-get install chromium.");
  const folder = mkdtempSync(join(tmpdir(), "tweedle-picture-"));
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_ARGS] });
  try {
    const app = new App({ outdir: join(folder, "out") });
    new ProducerConsumerStack(app, stackName(STAGE.stage), STAGE);
    app.synth();
    const chain = await start({ stack: join(folder, "out", "stacks", stackName(STAGE.stage)) });
    const viewport = { width: 820, height: 600 };
    const desktop = await picture(browser, chain.apiUrl, folder, { viewport, colorScheme: "light" });
    const phone = await picture(browser, chain.apiUrl, folder, {
      viewport: { ...viewport, width: 375 },
      colorScheme: "dark",
      isMobile: true,
      hasTouch: true,
    });
    await compose(browser, desktop, phone);
    await chain.stop();
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(PICTURE);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error instanceof StartError ? error.message : error);
    process.exitCode = 1;
  });
}
