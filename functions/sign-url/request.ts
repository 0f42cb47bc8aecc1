import { quote } from "../../common/quote";
import { ACTIONS, type Action, type FieldRules, type Role, fieldsOf } from "./actions";
import { RequestError } from "./errors";
import type { FieldValue } from "./fields";
import { LIMITS } from "./limits";

/** A request that has been checked: every field is known to the action and fit for it. */
export interface CheckedRequest<A extends Action = Action> {
  readonly name: string;
  readonly action: A;
  readonly fields: Readonly<Record<string, FieldValue | undefined>>;
}

/** What of the stage a request is checked against. */
export interface StageRules extends FieldRules {
  readonly roles: readonly Role[];
}

/** "object_key" as error codes name it: "ObjectKey". */
const pascalCase = (field: string) =>
  field.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const has = (object: object, name: string): boolean => Object.hasOwn(object, name);

function parseObject(body: string, maxBytes: number = LIMITS.requestBytes): Record<string, unknown> {
  if (Buffer.byteLength(body) > maxBytes) {
    throw new RequestError(
      413,
      "RequestTooLarge",
      `The request is over ${maxBytes} bytes. A large payload goes to the URL that putObject answers.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new RequestError(400, "InvalidJson", 'The body must be JSON, such as {"object_key": "cat.jpg"}.');
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError(400, "InvalidRequest", "The body must be a JSON object with the action's fields.");
  }
  return value as Record<string, unknown>;
}

function chooseAction(pathAction: string | undefined, given: unknown): [string, Action] {
  const known = Object.keys(ACTIONS).join(", ");
  const name = pathAction ?? given;
  if (name === undefined) {
    throw new RequestError(400, "MissingAction", `Say which action, in "action" or in the path: ${known}.`);
  }
  if (typeof name !== "string" || !has(ACTIONS, name)) {
    throw new RequestError(400, "UnknownAction", `There is no action ${quote(name)}. Actions: ${known}.`);
  }
  if (given !== undefined && given !== name) {
    throw new RequestError(
      400,
      "ActionMismatch",
      `The path asks for ${name}, the body for ${quote(given)}. Leave "action" out, or make them the same.`,
    );
  }
  return [name, ACTIONS[name] as Action];
}

/**
 * Checks a request's body.
 *
 * @param pathAction the action that the path names; undefined for POST /, where the body names it
 * @param serves whether it is for the function that asks to do an action
 * @throws RequestError that says what to change
 */
export function parseRequest<A extends Action>(
  pathAction: string | undefined,
  body: string,
  stage: StageRules,
  serves: (action: Action) => action is A,
): CheckedRequest<A> {
  const { action: given, ...fields } = parseObject(body, ACTIONS[pathAction ?? ""]?.requestBytes);
  const [name, action] = chooseAction(pathAction, given);
  if (!serves(action)) {
    throw new RequestError(
      403,
      "ActionNotAllowed",
      `${name} has no URL: POST /${name} does it, on a stage with a queue.`,
    );
  }
  if (!stage.roles.includes(action.role)) {
    throw new RequestError(
      403,
      "ActionNotAllowed",
      `On this stage a ${action.role} asks POST /${name}, signed where it wants that (AWS Signature Version 4, service execute-api).`,
    );
  }
  const allowed = fieldsOf(action, stage);
  for (const field of Object.keys(fields)) {
    if (!has(allowed, field)) {
      throw new RequestError(
        400,
        "UnknownField",
        `${name} has no field ${quote(field)}. Its fields: ${Object.keys(allowed).join(", ")}.`,
      );
    }
  }
  for (const [field, rule] of Object.entries(allowed)) {
    const value = fields[field];
    if (value === undefined) {
      if (!rule.required) continue;
      throw new RequestError(400, "MissingField", `${name} needs ${field}: ${rule.mustBe}.`);
    }
    if (rule.accepts(value)) continue;
    const tooLarge = rule.tooLarge?.(value);
    throw new RequestError(
      tooLarge ? 413 : 400,
      tooLarge ? "EntityTooLarge" : `Invalid${pascalCase(field)}`,
      `${field} must be ${rule.mustBe}, not ${quote(value)}.`,
    );
  }
  if (fields["client_token"] !== undefined && has(allowed, "if_none_match") && !("if_none_match" in fields)) {
    throw new RequestError(
      400,
      "MissingField",
      `With client_token, ${name} needs if_none_match: "*", or a token used twice writes over a payload.`,
    );
  }
  refuseUnfitParts(fields, stage.maxObjectBytes);
  return { name, action, fields: fields as CheckedRequest["fields"] };
}

/** What holds between the fields of uploadPart, each of which is fit by itself. */
function refuseUnfitParts(
  fields: Readonly<Record<string, unknown>>,
  maxObjectBytes: number | undefined,
): void {
  const { part_numbers: parts, checksum_sha256: digest, content_length: length } = fields;
  if (!Array.isArray(parts)) return;
  if (digest !== undefined && parts.length > 1) {
    throw new RequestError(
      400,
      "InvalidPartNumbers",
      "part_numbers must name one part where checksum_sha256 is given: a digest belongs to one part.",
    );
  }
  if (maxObjectBytes !== undefined && parts.length * (length as number) > maxObjectBytes) {
    throw new RequestError(
      413,
      "EntityTooLarge",
      `${parts.length} parts of ${length as number} bytes are over the ${maxObjectBytes} bytes that an object may have here.`,
    );
  }
}
