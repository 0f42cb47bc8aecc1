import { InvalidArgumentError } from "commander";
import { CONTENT_TYPE } from "../../functions/sign-url/fields";
import { metadataMistake } from "../produce/metadata";

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

/** Bytes as people write them, from one size to another: 262144, 256KiB, 1.5 GB. */
export const bytes =
  (least: string, most: string) =>
  (text: string): number => {
    const size = sizeOf(text);
    if (size === undefined)
      throw new InvalidArgumentError("It must be a size, such as 262144, 256KiB or 64MiB.");
    if (size >= (sizeOf(least) ?? 0) && size <= (sizeOf(most) ?? Infinity)) return size;
    throw new InvalidArgumentError(`It must be from ${least} to ${most}.`);
  };

function sizeOf(text: string): number | undefined {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return number === "" || factor === undefined ? undefined : Math.round(Number(number) * factor);
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A time as people write it, in whole seconds from one to another: 90, 90s, 15m, 24h, 2d. */
export const seconds =
  (least: string, most: string) =>
  (text: string): number => {
    const time = timeOf(text);
    if (time === undefined) throw new InvalidArgumentError("It must be a time, such as 30s, 15m, 24h or 2d.");
    if (Number.isInteger(time) && time >= (timeOf(least) ?? 0) && time <= (timeOf(most) ?? Infinity))
      return time;
    throw new InvalidArgumentError(`It must be whole seconds, from ${least} to ${most}.`);
  };

function timeOf(text: string): number | undefined {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)\s*([smhd])?$/i.exec(text.trim()) ?? [];
  return number === "" ? undefined : Number(number) * (SECONDS[unit.toLowerCase()] ?? 1);
}

/** A whole number from one to another. */
export const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };

/** Collects name=value, given once or more, as the API takes it. */
export function pair(text: string, all: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("It must be name=value.");
  const pairs = { ...all, [name]: value };
  const mistake = metadataMistake(pairs);
  if (mistake !== undefined) throw new InvalidArgumentError(mistake);
  return pairs;
}

/** A media type that the API takes. */
export function mediaType(text: string): string {
  if (CONTENT_TYPE.accepts(text)) return text;
  throw new InvalidArgumentError(`It must be ${CONTENT_TYPE.mustBe}.`);
}
