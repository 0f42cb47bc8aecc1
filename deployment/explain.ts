import { hostname, userInfo } from "node:os";
import { terraformBinary } from "../common/terraform-binary";
import { DeploymentError } from "./errors";
import type { TerraformError } from "./terraform";

/** A lock on the state, as Terraform tells of it. */
export interface Lock {
  readonly id: string;
  /** user@host */
  readonly who: string;
  readonly created: Date;
}

/** Who holds the state's lock, if that is what Terraform complains of. */
export function lockOf({ output }: TerraformError): Lock | undefined {
  const [, id = "", who = "", created = ""] =
    /^ *ID: +(\S+)[^]*?Who: +(\S.*)[^]*?Created: +(\S+ \S+)/m.exec(output) ?? [];
  return id === "" ? undefined : { id, who: who.trim(), created: new Date(`${created.replace(" ", "T")}Z`) };
}

/** Who this process would lock as. */
export const lockHolder = () => `${userInfo().username}@${hostname()}`;

/** Whether Terraform says that the state's bucket is not there. */
export const saysNoBucket = ({ output }: TerraformError) =>
  /S3 bucket\s+"[^"]*"\s+does not exist|NoSuchBucket/.test(output);

/** What Terraform says, and what a person can do about it. */
const SENTENCES: readonly (readonly [
  pattern: RegExp,
  sentence: (account: string, match: string[]) => string,
])[] = [
  [
    /AWS account ID not allowed: (\d*)/,
    (account, [, given = ""]) =>
      `These credentials are of account ${given}, and main.ts says ACCOUNT_ID = ${account}: nothing was touched. Use that ` +
      "account's credentials, or set yours in main.ts.",
  ],
  [
    /No valid credential sources found/,
    () => "There are no AWS credentials: sign in (aws sso login, AWS_PROFILE), or set AWS_ACCESS_KEY_ID.",
  ],
  [
    /ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClientException/,
    (_, [code]) => `AWS does not take these credentials (${code}): sign in again.`,
  ],
  [
    /finding IAM OIDC Provider by url[^]*not found/,
    () =>
      "The account has no OIDC provider of GitHub's yet: leave oidcProviderExists out in bootstrap.ts, and it is made.",
  ],
  [
    /Unsupported Terraform Core version/,
    () => "Terraform 1.10 or later is needed: https://developer.hashicorp.com/terraform/install",
  ],
  [
    /(?:ListObjectsV2|HeadObject|GetObject)[^]*(AccessDenied|Forbidden|StatusCode: 403)/,
    () =>
      "These credentials may not read the state's bucket, or it is another account's: bootstrap as an administrator.",
  ],
];

/** Terraform's complaint in one line where it is known, otherwise in its own words. */
export function explain(error: TerraformError, accountId: string): DeploymentError {
  const lock = lockOf(error);
  if (lock) {
    return new DeploymentError(
      `The state is locked by ${lock.who} since ${lock.created.toISOString()}: wait for its end. If it has been killed: ` +
        `${terraformBinary(process.env)} -chdir=bootstrap.out/stacks/bootstrap force-unlock ${lock.id}`,
      { cause: error },
    );
  }
  for (const [pattern, sentence] of SENTENCES) {
    const match = pattern.exec(error.output);
    if (match) return new DeploymentError(sentence(accountId, match), { cause: error });
  }
  return new DeploymentError(error.output, { cause: error });
}
