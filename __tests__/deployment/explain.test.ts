import { explain, lockOf } from "../../deployment/explain";
import { TerraformError } from "../../deployment/terraform";

afterEach(() => {
  delete process.env["TERRAFORM_BINARY_NAME"];
});

const said = (output: string) => explain(new TerraformError(output, []), "123456789012").message;

const LOCKED = `Error: Error acquiring the state lock

Error message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: 1234, HostID: 5678, api error
PreconditionFailed: At least one of the pre-conditions you specified did not hold
Lock Info:
  ID:        d3428b3f-1f59-434b-18ba-ac08aeb935a9
  Path:      tweedle-state-123456789012-eu-central-1/bootstrap.tfstate
  Operation: OperationTypeApply
  Who:       alice@laptop
  Version:   1.11.4
  Created:   2026-11-23 22:46:30.636912 +0000 UTC
  Info:
`;

test("a lock is told by who holds it, since when, and how to take it away", () => {
  expect(lockOf(new TerraformError(LOCKED, []))).toEqual({
    id: "d3428b3f-1f59-434b-18ba-ac08aeb935a9",
    who: "alice@laptop",
    created: new Date("2026-11-23T22:46:30.636Z"),
  });
  expect(said(LOCKED)).toBe(
    "The state is locked by alice@laptop since 2026-11-23T22:46:30.636Z: wait for its end. If it has been killed: terraform " +
      "-chdir=bootstrap.out/stacks/bootstrap force-unlock d3428b3f-1f59-434b-18ba-ac08aeb935a9",
  );
  process.env["TERRAFORM_BINARY_NAME"] = "tofu";
  expect(said(LOCKED)).toContain("If it has been killed: tofu -chdir=");
});

test.each([
  [
    "Error: Invalid account ID\n\nAWS account ID not allowed: 999999999999",
    /^These credentials are of account 999999999999, and main\.ts says ACCOUNT_ID = 123456789012: nothing was touched/,
  ],
  ["Error: No valid credential sources found", /^There are no AWS credentials: sign in/],
  [
    "api error ExpiredToken: The security token included in the request is expired",
    /^AWS does not take these credentials \(ExpiredToken\)/,
  ],
  [
    "Error: finding IAM OIDC Provider by url (https://token.actions.githubusercontent.com): not found",
    /^The account has no OIDC provider of GitHub's yet: leave oidcProviderExists out/,
  ],
  ["Error: Unsupported Terraform Core version", /^Terraform 1\.10 or later is needed/],
  [
    "operation error S3: ListObjectsV2, https response error StatusCode: 403, api error AccessDenied",
    /^These credentials may not read the state's bucket/,
  ],
])("%j is one line that says what to do", (output, sentence) => {
  expect(said(output)).toMatch(sentence);
  expect(said(output)).not.toContain("\n");
});

test("what nobody has thought of stays in Terraform's own words", () => {
  expect(said("Error: the moon is full\n\nWait.")).toBe("Error: the moon is full\n\nWait.");
});
