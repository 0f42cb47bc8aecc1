import { resolver } from "../../local/stack/references";
import type { SynthesizedStack } from "../stacks/tools";
import { type ActionReference, actionsLike, hasKey, typesLike } from "./reference";

/** A statement of a policy. Where it hangs on a role or a key, it may name no resource. */
interface Statement {
  readonly Sid?: string;
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Condition keys that the reference does not have for an action and that stand in a statement all the same, by its Sid. */
const KNOWN: Readonly<Record<string, string>> = {
  // API Gateway's page on tags has the key for "a resource", the reference has it for all but /tags/. Where a request has none, Null
  // holds, and AWS asks for PATCH of the tagged resource besides.
  // https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html
  TagApigateway: "aws:ResourceTag/stage",
};

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** Tells whether a statement with this resource may be about requests for an action. */
const takes = (action: ActionReference, resource: string) =>
  resource === "*" || typesLike(action, resource).length > 0;

/**
 * Finds the parts of a statement that AWS never applies: an action that does not exist, that takes none of the resources, or whose
 * requests never have a key of the condition; a resource that none of the actions takes.
 *
 * @returns a sentence for each
 */
export function faultsOf({ Sid = "", Action, Resource = "*", Condition = {} }: Statement): string[] {
  const resources = list(Resource);
  const keys = Object.values(Condition)
    .flatMap((conditions) => Object.keys(conditions))
    .filter((key) => key !== KNOWN[Sid]);
  const named = list(Action).map((pattern) => ({ pattern, actions: actionsLike(pattern) }));
  const faults = named.flatMap(({ pattern, actions }) => {
    if (actions.length === 0) return `There is no action ${pattern}.`;
    const taking = actions.filter((action) => resources.some((resource) => takes(action, resource)));
    if (taking.length === 0) return `${pattern} does not take ${resources.join(" or ")}.`;
    const typesOf = (action: ActionReference) =>
      resources.flatMap((resource) =>
        resource === "*" ? action.resourceTypes : typesLike(action, resource),
      );
    return keys
      .filter((key) => !taking.some((action) => hasKey(action, typesOf(action), key)))
      .map((key) => `Requests for ${pattern} have no ${key}.`);
  });
  const all = named.flatMap(({ actions }) => actions);
  const unused = resources
    .filter((resource) => !all.some((action) => takes(action, resource)))
    .map((resource) => `None of the actions takes ${resource}.`);
  return [...faults, ...unused].map((fault) => `${Sid}: ${fault}`);
}

/**
 * Finds those parts of a whole policy.
 *
 * @param policy as it stands in the stack's JSON, with references to other resources
 */
export function faultsOfPolicy(policy: string, stack: SynthesizedStack, accountId: string): string[] {
  const region = String(stack.provider["aws"]?.[0]?.["region"]);
  const resources = stack.resources.map(({ attributes, ...rest }) => ({ ...rest, settings: attributes }));
  const json = resolver(resources, { accountId, region })(policy);
  const { Statement } = JSON.parse(String(json)) as { readonly Statement: readonly Statement[] };
  return Statement.flatMap(faultsOf);
}
