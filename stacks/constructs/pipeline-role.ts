import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { ConfigurationError } from "../stage";
import { type Statement, type TrustStatement, policyJson } from "../policy";

/** Characters that a role's own policies may have: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MAX_POLICIES = 10_240;

export interface PipelineRoleProps {
  readonly roleName: string;
  readonly description: string;
  /** Who assumes it. */
  readonly trust: TrustStatement;
  /** What has to be there before somebody can. */
  readonly after: ITerraformDependable;
  /** What it may do: each policy's statements, by its name. */
  readonly policies: Readonly<Record<string, readonly Statement[]>>;
}

/** A role that a workflow assumes for the hour that it runs at most. */
export class PipelineRole extends Construct {
  readonly role: IamRole;

  constructor(scope: Construct, id: string, props: PipelineRoleProps) {
    super(scope, id);
    this.role = new IamRole(this, "role", {
      name: props.roleName,
      description: props.description,
      assumeRolePolicy: policyJson([props.trust]),
      maxSessionDuration: 3600,
      dependsOn: [props.after],
    });
    const policies = Object.entries(props.policies).map(([name, of]) => ({ name, policy: policyJson(of) }));
    const characters = policies.reduce((sum, { policy }) => sum + policy.length, 0);
    if (characters > MAX_POLICIES) {
      throw new ConfigurationError(
        `${props.roleName}: its policies have ${characters} characters, and IAM takes ${MAX_POLICIES}: name fewer stages, or grant less.`,
      );
    }
    for (const { name, policy } of policies) {
      new IamRolePolicy(this, name, { name, role: this.role.id, policy });
    }
  }
}
