import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { S3Backend, type TerraformStack } from "cdktf";
import type { Place } from "./arns";

/** The AWS provider's versions that a stack works with. The types prove the newest, the real apply the oldest. */
const PROVIDER = { source: "hashicorp/aws", version: ">= 5.100.0, < 7.0.0" };

/** The bucket that Terraform's states of a region live in: `npm run bootstrap` makes it. */
export const stateBucketName = ({ accountId, region }: Place) => `tweedle-state-${accountId}-${region}`;

/** Where a stack's state is in that bucket. Its lock is an object of this name with `.tflock` after it. */
export const stateKey = (stack: string) => `${stack}.tfstate`;

/**
 * Says where a stack's resources and its state are. Provider and backend both ask AWS whose credentials they have, and
 * refuse any other account before they touch anything.
 *
 * @param tags what every resource is tagged with, beside the project
 */
export function configureTerraform(
  stack: TerraformStack,
  place: Place,
  tags: Readonly<Record<string, string>>,
): void {
  const { accountId, region } = place;
  new AwsProvider(stack, "aws", {
    region,
    allowedAccountIds: [accountId],
    defaultTags: [{ tags: { project: "tweedle", ...tags } }],
  });
  new S3Backend(stack, {
    bucket: stateBucketName(place),
    key: stateKey(stack.node.id),
    region,
    allowedAccountIds: [accountId],
    encrypt: true,
    // cdktf 0.21 does not know it yet: the lock is an object beside the state, without a DynamoDB table.
  }).addOverride("use_lockfile", true);
  stack.addOverride("terraform.required_version", ">= 1.10.0");
  stack.addOverride("terraform.required_providers.aws", PROVIDER);
}
