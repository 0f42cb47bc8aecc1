import { readFileSync, writeFileSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { FAKE_KEYS } from "./moto";

/**
 * Writes what only an emulator needs into a file that Terraform merges into the stack's own, which stays as it is for
 * AWS: https://developer.hashicorp.com/terraform/language/files/override
 *
 * @param backend settings of the state's backend that are otherwise, too
 * @returns the name of the state's bucket
 */
export function emulate(stackFolder: string, backend: object = {}): string {
  const { s3 } = (
    JSON.parse(readFileSync(join(stackFolder, "cdk.tf.json"), "utf8")) as {
      terraform: { backend: { s3: { bucket: string } } };
    }
  ).terraform.backend;
  const emulator = { skip_credentials_validation: true, skip_metadata_api_check: true };
  const override = {
    // What moto cannot do, it will not be able to do after minutes of retries either.
    provider: { aws: [{ ...emulator, s3_use_path_style: true, max_retries: 2 }] },
    // A backend is not merged: it is there again as a whole.
    terraform: { backend: { s3: { ...s3, ...emulator, use_path_style: true, ...backend } } },
  };
  writeFileSync(join(stackFolder, "emulator_override.tf.json"), JSON.stringify(override));
  return s3.bucket;
}

/** The variables that lead Terraform to an emulator, whatever the files of whoever runs this say. */
export const emulatorVariables = (url: string) => ({
  AWS_ENDPOINT_URL: url,
  AWS_ACCESS_KEY_ID: FAKE_KEYS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: FAKE_KEYS.secretAccessKey,
  AWS_CONFIG_FILE: devNull,
  AWS_SHARED_CREDENTIALS_FILE: devNull,
});
