/** What a person can mend who deploys: told in one line. */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}
