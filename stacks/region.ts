import { partition } from "@aws-sdk/core/client";
import { nearest } from "../common/nearest";

/** https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html */
const NAME = /^[a-z]{2}(-[a-z]+)+-\d$/;

const AREAS = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];
const DIRECTIONS = [
  "central",
  "north",
  "south",
  "east",
  "west",
  "northeast",
  "northwest",
  "southeast",
  "southwest",
];
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Whether the AWS SDK that is installed knows a region: only then it has a description. */
const isKnown = (region: string): boolean => NAME.test(region) && "description" in partition(region);

/** Whether a value is a region of AWS's commercial partition. The AWS SDK knows them, and `npm update` brings new ones. */
export const isCommercialRegion = (value: unknown): boolean =>
  typeof value === "string" && isKnown(value) && partition(value).name === "aws";

/** Says what may have been meant by a region that there is not; empty for a region of another partition. */
export function regionHint(value: unknown): string {
  if (typeof value !== "string" || isKnown(value)) return "";
  const known = AREAS.flatMap((area) =>
    DIRECTIONS.flatMap((direction) => NUMBERS.map((number) => `${area}-${direction}-${number}`)),
  ).filter(isCommercialRegion);
  const region = nearest(value, known);
  return [
    region === undefined ? "" : ` Did you mean "${region}"?`,
    NAME.test(value) ? " If AWS has just opened it, run npm update @aws-sdk/core." : "",
  ].join("");
}
