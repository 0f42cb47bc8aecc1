import { DataAwsIamOpenidConnectProvider } from "@cdktf/provider-aws/lib/data-aws-iam-openid-connect-provider";
import { IamOpenidConnectProvider } from "@cdktf/provider-aws/lib/iam-openid-connect-provider";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { type Place, oidcProviderArn } from "../arns";
import type { GitHubConfig } from "../bootstrap-config";
import type { TrustStatement } from "../policy";

const HOST = "token.actions.githubusercontent.com";
/** Whom GitHub's tokens are for: https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws */
const AUDIENCE = "sts.amazonaws.com";

export interface GitHubProviderProps {
  readonly place: Place;
  readonly github: GitHubConfig;
}

/**
 * GitHub's word for who runs a workflow, which AWS takes in exchange for credentials of a role. An account has one, which is
 * made here or is there already.
 */
export class GitHubProvider extends Construct {
  readonly arn: string;
  /** What roles that trust it come after. */
  readonly ready: ITerraformDependable;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: GitHubProviderProps,
  ) {
    super(scope, id);
    this.arn = oidcProviderArn(props.place, HOST);
    const url = `https://${HOST}`;
    if (props.github.oidcProviderExists) {
      // A plan says at once if it is not there.
      this.ready = new DataAwsIamOpenidConnectProvider(this, "provider", { url });
    } else {
      this.ready = new IamOpenidConnectProvider(this, "provider", { url, clientIdList: [AUDIENCE] });
    }
  }

  /**
   * Lets workflows of the repository assume a role, in these contexts: pull_request, environment:prod. Both forms of GitHub's
   * subjects are let in, the one with the numbers if they are known.
   *
   * https://docs.github.com/en/actions/reference/security/oidc
   * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
   */
  trustStatement(contexts: readonly string[]): TrustStatement {
    const { repository, ownerId, repositoryId } = this.props.github;
    const [owner, name] = repository.split("/");
    const repositories = [
      repository,
      ...(ownerId === undefined ? [] : [`${owner}@${ownerId}/${name}@${repositoryId}`]),
    ];
    return {
      Sid: "Workflows",
      Effect: "Allow",
      Principal: { Federated: this.arn },
      Action: "sts:AssumeRoleWithWebIdentity",
      Condition: {
        StringEquals: {
          [`${HOST}:aud`]: AUDIENCE,
          [`${HOST}:sub`]: contexts.flatMap((context) => repositories.map((one) => `repo:${one}:${context}`)),
          ...(repositoryId !== undefined && { [`${HOST}:repository_id`]: repositoryId }),
        },
      },
    };
  }
}
