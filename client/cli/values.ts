import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  ...Object.fromEntries(
    ["k", "m", "g", "t"].flatMap((unit, power) => [
      [`${unit}b`, 1000 ** (power + 1)],
      [`${unit}ib`, 1024 ** (power + 1)],
    ]),
  ),
};

/** Bytes as people write them: 262144, 256KiB, 1.5 GB. */
export function bytes(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (number === "" || factor === undefined)
    throw new InvalidArgumentError("It must be a size, such as 262144, 256KiB or 64MiB.");
  return Math.round(Number(number) * factor);
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A time as people write it, in seconds: 90, 90s, 15m, 24h, 2d. */
export function seconds(text: string): number {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)\s*([smhd])?$/i.exec(text.trim()) ?? [];
  if (number === "") throw new InvalidArgumentError("It must be a time, such as 30s, 15m, 24h or 2d.");
  return Number(number) * (SECONDS[unit.toLowerCase()] ?? 1);
}

/** A whole number from one to another. */
export const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };

/** Collects name=value, given once or more. */
export function pair(text: string, all: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("It must be name=value.");
  return { ...all, [name]: value };
}
