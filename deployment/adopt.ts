import { readFileSync } from "node:fs";
import type { Place } from "../stacks/arns";
import { stateBucketName } from "../stacks/terraform";
import type { Diagnostic } from "./diagnostics";

/** A resource that exists, as `terraform import` takes it. */
export interface Existing {
  readonly address: string;
  readonly id: string;
  /** Whether it may be another app's, who would miss it: then its tags have to say that it is ours. */
  readonly shared: boolean;
}

type Settings = Readonly<Record<string, unknown>>;

/** What AWS makes once and refuses to make again, and the id by which it is imported. All else is written over. */
const IDS: Readonly<Record<string, (settings: Settings, accountId: string) => string>> = {
  aws_s3_bucket: ({ bucket }) => String(bucket),
  aws_iam_role: ({ name }) => String(name),
  aws_iam_policy: ({ name }, accountId) => `arn:aws:iam::${accountId}:policy/${String(name)}`,
  aws_iam_openid_connect_provider: ({ url }, accountId) =>
    `arn:aws:iam::${accountId}:oidc-provider/${String(url).replace("https://", "")}`,
};

const SHARED = new Set(["aws_iam_openid_connect_provider"]);

const EXISTS = /EntityAlreadyExists|BucketAlreadyOwnedByYou/;

/**
 * What could not be made since it is there: an earlier run was killed before it was written down, or somebody made it by hand.
 *
 * @param stackFile the stack's cdk.tf.json
 */
export function existing(
  diagnostics: readonly Diagnostic[],
  stackFile: string,
  accountId: string,
): Existing[] {
  const resources = resourcesOf(stackFile);
  return diagnostics
    .filter(({ summary, detail = "" }) => EXISTS.test(summary + detail))
    .flatMap(({ address = "" }) => {
      const [type = "", name = ""] = address.split(".");
      const settings = resources[type]?.[name];
      const id = settings && IDS[type]?.(settings, accountId);
      return id === undefined ? [] : [{ address, id, shared: SHARED.has(type) }];
    });
}

/** The bucket that the state is in, as the stack names it. */
export function stateBucket(stackFile: string, place: Place): Pick<Existing, "address" | "id"> {
  const id = stateBucketName(place);
  const [name] =
    Object.entries(resourcesOf(stackFile)["aws_s3_bucket"] ?? {}).find(([, { bucket }]) => bucket === id) ??
    [];
  return { address: `aws_s3_bucket.${name}`, id };
}

const resourcesOf = (stackFile: string) =>
  (
    JSON.parse(readFileSync(stackFile, "utf8")) as {
      resource: Readonly<Record<string, Readonly<Record<string, Settings>>>>;
    }
  ).resource;
