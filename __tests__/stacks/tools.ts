import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strFromU8, unzipSync } from "fflate";
import type { Statement } from "../../stacks/policy";

/** A resource of a synthesized stack. */
export interface Resource {
  readonly type: string;
  /** As Terraform names it: aws_sqs_queue.queue_140BE0E7. */
  readonly address: string;
  /** Its place among the stack's constructs: queue/dead-letter-queue. */
  readonly path: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface TerraformJson {
  readonly resource: Record<string, Record<string, Record<string, unknown>>>;
  readonly output: Record<string, { value: string }>;
  readonly provider: Record<string, Record<string, unknown>[]>;
  readonly terraform: Record<string, unknown>;
}

interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

/** A folder that is gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "stacks-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An attribute that is a string. */
export function text({ address, attributes }: Resource, name: string): string {
  const value = attributes[name];
  if (typeof value !== "string") throw new Error(`${address} has no ${name}.`);
  return value;
}

/** A policy's statements. Only a jsonencode may hold references, which stay as they are. */
export function statements(policy: string): readonly Statement[] {
  const [, expression] = /^\$\{jsonencode\((.*)\)\}$/.exec(policy) ?? [];
  if (expression === undefined && policy.includes("${"))
    throw new Error(`A reference in plain JSON: ${policy}`);
  // A reference that is a whole value has no quotes.
  const json = expression?.replaceAll('" = ', '": ').replace(/: (aws_\w+\.[\w-]+\.\w+)/g, ': "${$1}"');
  const document = JSON.parse(json ?? policy) as Policy;
  if (document.Version !== "2012-10-17") throw new Error(`Not a policy's version: ${policy}`);
  return document.Statement;
}

/** A file beside a function's code, which is JSON. */
export function fileOf(stack: SynthesizedStack, fn: Resource, name: string): unknown {
  const zip = unzipSync(readFileSync(join(stack.folder, text(fn, "filename"))));
  return JSON.parse(strFromU8(zip[name] as Uint8Array));
}

/** The schemas of the API's description, as the signer answers it. */
export function schemasOf(stack: SynthesizedStack): Readonly<Record<string, Schema>> {
  const signer = stack
    .ofType("aws_lambda_function")
    .find(({ path }) => /^(producer-)?signer\//.test(path)) as Resource;
  const { components } = fileOf(stack, signer, "openapi.json") as {
    components: { schemas: Record<string, Schema> };
  };
  return components.schemas;
}

interface Schema {
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, { readonly pattern?: string }>>;
  readonly discriminator: { readonly mapping: Readonly<Record<string, string>> };
}

/** A stack's cdk.tf.json, read as Terraform reads it. */
export class SynthesizedStack {
  readonly folder: string;
  readonly json: string;
  readonly terraform: TerraformJson["terraform"];
  readonly provider: TerraformJson["provider"];
  readonly resources: readonly Resource[];
  /** Each output's value. */
  readonly outputs: Readonly<Record<string, string>>;

  constructor(outdir: string, name: string) {
    this.folder = join(outdir, "stacks", name);
    this.json = readFileSync(join(this.folder, "cdk.tf.json"), "utf8");
    const { resource, output, provider, terraform } = JSON.parse(this.json) as TerraformJson;
    this.terraform = terraform;
    this.provider = provider;
    this.outputs = Object.fromEntries(Object.entries(output).map(([id, { value }]) => [id, value]));
    this.resources = Object.entries(resource).flatMap(([type, byName]) =>
      Object.entries(byName).map(([id, { "//": comment, ...attributes }]) => {
        const { metadata } = comment as { metadata: { path: string } };
        return { type, address: `${type}.${id}`, path: metadata.path.slice(name.length + 1), attributes };
      }),
    );
  }

  ofType(type: string): Resource[] {
    return this.resources.filter((resource) => resource.type === type);
  }

  /** The resource of this path. */
  at(path: string): Resource {
    const found = this.resources.find((resource) => resource.path === path);
    if (!found) throw new Error(`There is no ${path}.`);
    return found;
  }

  /** The only resource of a type. */
  only(type: string): Resource {
    const [resource, ...others] = this.ofType(type);
    if (!resource || others.length > 0) throw new Error(`There is not one ${type}.`);
    return resource;
  }

  /** The resource that a reference such as ${aws_s3_bucket.content_bucket_173C8D7A.id} is to. */
  referred(reference: string): Resource | undefined {
    return this.resources.find(({ address }) => reference.startsWith(`\${${address}.`));
  }

  /** The resources of a type whose attribute refers to this one. */
  referringTo(resource: Resource, attribute: string, type?: string): Resource[] {
    return this.resources.filter(
      (other) =>
        (type === undefined || other.type === type) &&
        attribute in other.attributes &&
        this.referred(text(other, attribute)) === resource,
    );
  }

  /** Whether Terraform is sure to change one resource after another, since it depends on it or refers to it. */
  follows(later: Resource, earlier: Resource, seen = new Set<Resource>([later])): boolean {
    const json = JSON.stringify(later.attributes);
    const before = this.resources.filter(
      (resource) =>
        !seen.has(resource) &&
        (json.includes(`"${resource.address}"`) || json.includes(`\${${resource.address}.`)),
    );
    for (const resource of before) seen.add(resource);
    return before.some((resource) => resource === earlier || this.follows(resource, earlier, seen));
  }
}
