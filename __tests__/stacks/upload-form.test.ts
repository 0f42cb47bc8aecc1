import { App } from "cdktf";
import { ACTIONS, hasUrl } from "../../functions/sign-url/actions";
import { UploadFormStack } from "../../stacks/upload-form-stack";
import { OPEN, SIGNING } from "./inspection-stack";
import { SynthesizedStack, schemasOf, temporaryFolder, text } from "./tools";

const outdir = temporaryFolder();
const app = new App({ outdir });
for (const config of [OPEN, SIGNING]) new UploadFormStack(app, config.stage, config);
app.synth();

describe.each([OPEN, SIGNING])("The upload form alone ($stage), which has no queue,", ({ stage }) => {
  const stack = new SynthesizedStack(outdir, stage);
  const api = JSON.parse(text(stack.only("aws_api_gateway_rest_api"), "body")) as {
    paths: object;
  };
  const withUrl = Object.entries(ACTIONS).flatMap(([name, action]) => (hasUrl(action) ? [name] : []));

  it("has the paths of the actions with a URL, and no other", () => {
    const paths = ["/", "/openapi.json", "/{proxy+}", ...withUrl.map((action) => `/${action}`)];
    expect(Object.keys(api.paths).toSorted()).toEqual(paths.toSorted());
    expect(schemasOf(stack)).not.toHaveProperty("SendMessageRequest");
    // Beside the actions: POST /, and its description and the page, by GET and HEAD.
    expect(stack.ofType("aws_lambda_permission")).toHaveLength(withUrl.length + 5);
  });

  it("has signers and the page's server for functions, and no right to a queue", () => {
    const names = stack.ofType("aws_lambda_function").map((fn) => text(fn, "function_name"));
    expect(names.toSorted()).toEqual(
      (stage === "open" ? ["form", "signer"] : ["consumer-signer", "form", "producer-signer"]).map(
        (name) => `tweedle-${stage}-${name}`,
      ),
    );
    expect(stack.json).not.toMatch(/sqs:|sqs\.|aws_sqs/);
  });
});
