/** Chooses the program that runs the stacks, as cdktf does: Terraform, OpenTofu, or a path. */
export const terraformBinary = (environment: NodeJS.ProcessEnv): string =>
  environment["TERRAFORM_BINARY_NAME"] || "terraform";

/** Says that the program is missing, and where to get it. */
export const missingTerraform = (binary: string): string =>
  binary === "terraform"
    ? "terraform is not on the PATH. Install Terraform 1.10 or later: https://developer.hashicorp.com/terraform/install"
    : `${binary}, which TERRAFORM_BINARY_NAME names, is not on the PATH: install it, or unset TERRAFORM_BINARY_NAME to run terraform.`;
