/** What runs the stacks, as cdktf chooses it: Terraform, OpenTofu, or another file than the first on the PATH. */
export const binaryOf = (environment: NodeJS.ProcessEnv): string =>
  environment["TERRAFORM_BINARY_NAME"] || "terraform";

/** What is said where that is missing. */
export const missingBinary = (binary: string): string =>
  `${binary} is not on the PATH. Install Terraform 1.10 or later: https://developer.hashicorp.com/terraform/install`;
