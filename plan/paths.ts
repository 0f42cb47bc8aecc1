import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Synthesized {
  readonly resource?: Readonly<
    Record<string, Readonly<Record<string, { readonly "//"?: { readonly metadata?: { path?: string } } }>>>
  >;
}

/**
 * Where each resource comes from in the code: the path of its construct, without the stack's own name.
 *
 * @param stackFolder cdktf.out/stacks/<stack>
 * @returns paths by Terraform's addresses, without index or key
 */
export function constructPaths(stackFolder: string): Map<string, string> {
  const { resource = {} } = JSON.parse(readFileSync(join(stackFolder, "cdk.tf.json"), "utf8")) as Synthesized;
  const paths = new Map<string, string>();
  for (const [type, resources] of Object.entries(resource)) {
    for (const [name, { "//": comment }] of Object.entries(resources)) {
      const path = comment?.metadata?.path;
      if (path !== undefined) paths.set(`${type}.${name}`, path.slice(path.indexOf("/") + 1));
    }
  }
  return paths;
}

/** The address of a resource's block, of which an instance has an index or a key. */
export const blockOf = (address: string): string => address.replace(/\[.*$/s, "");
