import { parseArgs } from "node:util";
import { failOnLostOutput } from "../common/output";
import { LIMITS } from "../functions/sign-url/limits";
import { STAGES } from "../main";
import { formatBytes } from "../stacks/format";
import { PRICES, type Prices, QUOTAS, type Quotas, valuesOf } from "./aws";
import { type Assumptions, costOf, limitsOf, workOf } from "./chain";

const HELP = `npm run limits -- [options]: what the chain holds up to, what breaks first, and what a million messages cost.

  --rate N               messages a second; more than once for several; default 10, 1000, 100000
  --size BYTES           of a payload: 64KB, 1MB, 10GB; more than once; default 1MB, and costs of four
  --seconds-in-queue N   how long a message waits for a consumer; default 60
  --handler-seconds N    how long a consumer is busy with a message; default 1
  --signer-seconds N     how long one call of a signer takes; default 0.01
  --stage STAGE          whose throttle and reserved instances; default prod
  --quota NAME=VALUE     another quota: ${Object.keys(QUOTAS).join(", ")}
  --price NAME=USD       another price: ${Object.keys(PRICES).join(", ")}
  --sources              the quotas and prices, and where they stand
  --json                 one document in place of tables, where null is no limit
  --help                 show this`;

/** A mistake in the options: told in one line. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

const UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

function number(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new OptionError(
      `--${option} must be a number${least > 0 ? ` from ${least}` : ", 0 or more"}, not "${text}".`,
    );
  }
  return value;
}

export function parseSize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([KMGT]?B)?$/i.exec(text) ?? [];
  if (!digits) throw new OptionError(`--size must be bytes, such as 64KB, 1MB or 10GB, not "${text}".`);
  const bytes = Math.round(Number(digits) * (UNITS[unit.toUpperCase()] ?? 1));
  if (bytes > LIMITS.objectBytes)
    throw new OptionError(`--size must be at most ${formatBytes(LIMITS.objectBytes)}, as S3 takes no more.`);
  return bytes;
}

/** Facts with some of a reader's own: NAME=VALUE. */
function withOwn<T extends Readonly<Record<string, number>>>(
  option: string,
  values: T,
  own: readonly string[],
): T {
  return own.reduce((facts, text) => {
    const [name = "", value = ""] = text.split("=");
    if (!Object.hasOwn(facts, name)) {
      throw new OptionError(`--${option} must be one of ${Object.keys(facts).join(", ")}, not "${name}".`);
    }
    return { ...facts, [name]: number(`${option} ${name}`, value) };
  }, values);
}

/** Columns, the first to the left, all others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const count = (value: number) =>
  value === Infinity ? "no limit" : value >= 10 || value === 0 ? whole.format(value) : value.toPrecision(2);
/** Of what a limit holds: 2.0 %, 86 %, 20 ×. */
const share = (value: number) => (value >= 10 ? `${whole.format(value)} ×` : `${count(value * 100)} %`);
const usd = (value: number) =>
  value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** What the script says of a size: each limit, how much of it some rates take, and what breaks first. */
export function describeLimits(size: number, rates: readonly number[], quotas: Quotas, given: Assumptions) {
  const limits = limitsOf(workOf(size), quotas, given);
  return {
    size,
    limits,
    breaks: rates.map((rate) => ({ rate, limits: limits.filter(({ holds }) => holds < rate) })),
  };
}

function renderLimits(
  { size, limits, breaks }: ReturnType<typeof describeLimits>,
  rates: readonly number[],
): string {
  const rows = limits.map(({ name, quota, perMessage, holds }) => [
    name,
    count(quota),
    count(perMessage),
    count(holds),
    ...rates.map((rate) => (holds === Infinity ? "" : share(rate / holds))),
  ]);
  const head = [
    `messages of ${formatBytes(size)} (${workOf(size).way})`,
    "quota",
    "a message",
    "holds, a second",
  ];
  const says = breaks.map(({ rate, limits: broken }) => {
    const [first] = broken;
    const atRate = `${whole.format(rate)} a second:`;
    if (!first) return `${atRate} it holds.`;
    const what = `${first.name} (${count(first.holds)}): ${first.remedy}`;
    return `${atRate} ${broken.length} of ${limits.length} break, first ${what}.`;
  });
  return [table([[...head, ...rates.map((rate) => `at ${whole.format(rate)}`)], ...rows]), ...says].join(
    "\n",
  );
}

function renderCosts(sizes: readonly number[], prices: Prices, given: Assumptions): string {
  const costs = sizes.map((size) => costOf(workOf(size), prices, given));
  const sum = (cost: Readonly<Record<string, number>>) =>
    Object.values(cost).reduce((total, part) => total + part, 0);
  return table([
    ["USD a million messages", ...sizes.map((size) => formatBytes(size))],
    ["sent as", ...sizes.map((size) => workOf(size).way)],
    ...Object.keys(costs[0] ?? {}).map((item) => [item, ...costs.map((cost) => usd(cost[item] ?? 0))]),
    ["together", ...costs.map((cost) => usd(sum(cost)))],
  ]);
}

function renderSources(quotas: Quotas, prices: Prices): string {
  const facts = [
    ...Object.entries(QUOTAS).map(([name, fact]) => ({ name, ...fact, value: quotas[name as keyof Quotas] })),
    ...Object.entries(PRICES).map(([name, fact]) => ({ name, ...fact, value: prices[name as keyof Prices] })),
  ];
  return facts.map(({ name, value, is, source }) => `${name} = ${value}: ${is}\n  ${source}`).join("\n");
}

/**
 * @param args as in the shell, after the script's name
 * @returns what to print
 * @throws OptionError that says what to change
 */
export function report(args: readonly string[]): string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rate: { type: "string", multiple: true, default: ["10", "1000", "100000"] },
      size: { type: "string", multiple: true },
      "seconds-in-queue": { type: "string", default: "60" },
      "handler-seconds": { type: "string", default: "1" },
      "signer-seconds": { type: "string", default: "0.01" },
      stage: { type: "string", default: "prod" },
      quota: { type: "string", multiple: true, default: [] },
      price: { type: "string", multiple: true, default: [] },
      sources: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return HELP;
  const stage = STAGES.find((config) => config.stage === values.stage);
  if (!stage) {
    throw new OptionError(
      `--stage must be one of ${STAGES.map((one) => one.stage).join(", ")}, not "${values.stage}".`,
    );
  }
  const rates = values.rate.map((rate) => number("rate", rate, 1));
  const sizes = (values.size ?? ["1MB"]).map(parseSize);
  const costed = (values.size ?? ["64KB", "1MB", "100MB", "10GB"]).map(parseSize);
  const given: Assumptions = {
    secondsInQueue: number("seconds-in-queue", values["seconds-in-queue"]),
    handlerSeconds: number("handler-seconds", values["handler-seconds"]),
    signerSeconds: number("signer-seconds", values["signer-seconds"]),
    signerMemoryGb: 0.25,
    stageRequests: stage.throttlingRateLimit,
    reservedInstances: stage.reservedConcurrentExecutions ?? Infinity,
  };
  const quotas = withOwn("quota", valuesOf(QUOTAS), values.quota);
  const prices = withOwn("price", valuesOf(PRICES), values.price);
  const described = sizes.map((size) => describeLimits(size, rates, quotas, given));
  if (values.json) {
    const costs = costed.map((size) => ({ size, ...workOf(size), usd: costOf(workOf(size), prices, given) }));
    return JSON.stringify({ given, quotas, prices, limits: described, costsOfAMillion: costs }, null, 2);
  }
  if (values.sources) return renderSources(quotas, prices);
  return [...described.map((one) => renderLimits(one, rates)), renderCosts(costed, prices, given)].join(
    "\n\n",
  );
}

if (require.main === module) {
  failOnLostOutput(console.error);
  try {
    console.log(report(process.argv.slice(2)));
  } catch (error) {
    const parsing =
      error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!(error instanceof OptionError) && !parsing) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
