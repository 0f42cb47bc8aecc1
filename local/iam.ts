import { BlockList, isIP } from "node:net";

/** One statement of an IAM policy, as it stands in the stack's JSON. */
export interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface Policy {
  readonly Statement: readonly Statement[];
}

/** Who may sign requests, and what its own policies allow. */
export interface Principal {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly policies: readonly Policy[];
}

/** A request that policies are asked about. */
export interface AccessRequest {
  /** Who asks: an account's id, a service's name such as s3.amazonaws.com, or who vouches for somebody: a provider's ARN. */
  readonly principal:
    | { readonly account: string }
    | { readonly service: string }
    | { readonly federated: string };
  readonly action: string;
  readonly resource: string;
  /** The request's condition keys; undefined for one that it does not have. */
  readonly context: Readonly<Record<string, string | undefined>>;
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

function like(pattern: string, value: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(value);
}

type Test = (wanted: string, given: string) => boolean;

const equals: Test = (wanted, given) => wanted === given;

/** Whether an address is in a CIDR block. */
function inBlock(block: string, address: string): boolean {
  const family = (of: string) => (isIP(of) === 6 ? "ipv6" : "ipv4");
  const [network = "", prefix = ""] = block.split("/");
  const blocks = new BlockList();
  blocks.addSubnet(network, Number(prefix), family(network));
  return blocks.check(address, family(address));
}

/**
 * Condition operators. One that is not here stops the chain before it starts.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
const OPERATORS: Readonly<Record<string, Test>> = {
  StringEquals: equals,
  StringLike: like,
  ArnEquals: like,
  ArnLike: like,
  Bool: (wanted, given) => wanted.toLowerCase() === given.toLowerCase(),
  NumericLessThan: (wanted, given) => Number(given) < Number(wanted),
  NumericLessThanEquals: (wanted, given) => Number(given) <= Number(wanted),
  NumericGreaterThan: (wanted, given) => Number(given) > Number(wanted),
};

/** Operators that hold where another does not. */
const NEGATED: Readonly<Record<string, Test>> = { StringNotEquals: equals, NotIpAddress: inBlock };

function holds(operator: string, wanted: readonly string[], given: string | undefined): boolean {
  if (operator === "Null") return wanted.includes(String(given === undefined));
  // Of a key that the request does not have, the negated operators say yes, all others no.
  const negated = NEGATED[operator];
  if (negated) return given === undefined || !wanted.some((value) => negated(value, given));
  const test = OPERATORS[operator] as Test;
  return given !== undefined && wanted.some((value) => test(value, given));
}

function concerns(statement: Statement, { principal, action, resource, context }: AccessRequest): boolean {
  return (
    matchesPrincipal(statement.Principal, principal) &&
    list(statement.Action).some((pattern) => like(pattern.toLowerCase(), action.toLowerCase())) &&
    list(statement.Resource).some((pattern) => like(pattern, resource)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => holds(operator, list(wanted), context[key])),
    )
  );
}

/** A role's own policies name no principal: they concern the role. */
function matchesPrincipal(wanted: Statement["Principal"], principal: AccessRequest["principal"]): boolean {
  if (wanted === undefined || wanted === "*") return true;
  if ("service" in principal) return list(wanted["Service"] ?? []).includes(principal.service);
  if ("federated" in principal) return list(wanted["Federated"] ?? []).includes(principal.federated);
  const { account } = principal;
  return list(wanted["AWS"] ?? []).some((name) =>
    ["*", account, `arn:aws:iam::${account}:root`].includes(name),
  );
}

/**
 * Decides as IAM does within one account: an explicit deny wins, then any allow, and otherwise it is denied.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
export function isAllowed(policies: readonly Policy[], request: AccessRequest): boolean {
  const effects = policies
    .flatMap(({ Statement }) => Statement)
    .filter((statement) => concerns(statement, request))
    .map(({ Effect }) => Effect);
  return effects.includes("Allow") && !effects.includes("Deny");
}

const ELEMENTS = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
const ACCOUNT = /^(\*|\d{12}|arn:aws:iam::\d{12}:root)$/;

/**
 * @param keys the condition keys that requests here may have
 * @throws Error where a policy asks for something that {@link isAllowed} could not judge
 */
export function assertSupported({ Statement }: Policy, keys: readonly string[], where: string): void {
  const refuse = (what: string) => {
    throw new Error(`${where}: the local chain does not know ${what}.`);
  };
  if (!Array.isArray(Statement)) refuse("a policy whose Statement is no list");
  for (const statement of Statement) {
    for (const element of Object.keys(statement)) {
      if (!ELEMENTS.includes(element)) refuse(`the element ${element}`);
    }
    const { Principal: principal } = statement;
    for (const name of list(typeof principal === "object" ? (principal["AWS"] ?? []) : [])) {
      if (!ACCOUNT.test(name)) refuse(`the principal ${name}`);
    }
    for (const [operator, conditions] of Object.entries(statement.Condition ?? {})) {
      if (!(operator in OPERATORS) && !(operator in NEGATED) && operator !== "Null") {
        refuse(`the condition operator ${operator}`);
      }
      for (const key of Object.keys(conditions)) if (!keys.includes(key)) refuse(`the condition key ${key}`);
    }
  }
}

/** The condition keys that every request here has, or may have. */
export const GLOBAL_CONDITION_KEYS = [
  "aws:PrincipalAccount",
  "aws:ResourceAccount",
  "aws:SecureTransport",
  "aws:SourceAccount",
  "aws:SourceArn",
];

/** What they are: what leaves this machine at AWS is TLS, and here it does not leave it. */
export const globalContext = (accountId: string) => ({
  "aws:PrincipalAccount": accountId,
  "aws:ResourceAccount": accountId,
  "aws:SecureTransport": "true",
});
