import { join } from "node:path";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, S3Backend, TerraformStack } from "cdktf";
import type { Place } from "./arns";
import { ROOT_LOCK, copyLock } from "./provider-lock";

/** The AWS provider's versions that a stack works with. The types prove the newest, the real apply the oldest. */
export const PROVIDER = { source: "hashicorp/aws", version: ">= 5.100.0, < 7.0.0" };

/** The bucket that Terraform's states of a region live in: `npm run bootstrap` makes it. */
export const stateBucketName = ({ accountId, region }: Place) => `tweedle-state-${accountId}-${region}`;

/** Where a stack's state is in that bucket. Its lock is an object of this name with `.tflock` after it. */
export const stateKey = (stack: string) => `${stack}.tfstate`;

const VERSION = ">= 1.10.0";

/** A stack whose resources, and whose state, are in one account and region. */
export abstract class PlacedStack extends TerraformStack {
  /**
   * Says where. Provider and backend both ask AWS whose credentials they have, and refuse any other account before they touch
   * anything.
   *
   * @param tags what every resource is tagged with, beside the project
   */
  protected configureTerraform(place: Place, tags: Readonly<Record<string, string>>): void {
    const { accountId, region } = place;
    new AwsProvider(this, "aws", {
      region,
      allowedAccountIds: [accountId],
      defaultTags: [{ tags: { project: "tweedle", ...tags } }],
    });
    new S3Backend(this, {
      bucket: stateBucketName(place),
      key: stateKey(this.node.id),
      region,
      allowedAccountIds: [accountId],
      encrypt: true,
      // cdktf 0.21 does not know it yet: the lock is an object beside the state, without a DynamoDB table.
    }).addOverride("use_lockfile", true);
    this.addOverride("terraform.required_version", VERSION);
    this.addOverride("terraform.required_providers.aws", PROVIDER);
  }

  /** As the app is synthesized, the lock of the provider goes beside the stack: cdktf and plain Terraform both find it there. */
  override prepareStack(): void {
    super.prepareStack();
    const lock: unknown = this.node.tryGetContext("providerLock");
    copyLock(typeof lock === "string" ? lock : ROOT_LOCK, join(App.of(this).outdir, "stacks", this.node.id));
  }

  /**
   * Mends what cdktf 0.21 gets wrong in HCL (`cdktf synth --hcl`): the names of the terraform block's settings, digits that are
   * no number, and WAF's statements, which it has no types for and takes for attributes.
   */
  override toHclTerraform(): { hcl: string; metadata: unknown } {
    const { hcl, metadata } = super.toHclTerraform() as { hcl: string; metadata: unknown };
    return {
      hcl: hcl
        .replace('  0 = "required_version"', `  required_version = "${VERSION}"`)
        .replace(/(?<=\nallowed_account_ids = \[\n)(\d+)(?=,\n)/, '"$1"')
        .replaceAll(/^(statement|rate_based_statement) = \{$/gm, "$1 {"),
      metadata,
    };
  }
}
