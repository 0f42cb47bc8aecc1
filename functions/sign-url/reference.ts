import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ACTIONS, type Action, type ActionName, hasUrl } from "./actions";
import type { Field } from "./fields";
import { SUMMARIES, describeField } from "./words";

const README = join(__dirname, "../../README.md");
const BEGIN = "<!-- reference: made by npm run reference -->\n";
const END = "<!-- end of the reference -->";

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => "---"), ...rows]
    // Markdown would take <name> for a tag.
    .map((cells) => `| ${cells.join(" | ").replaceAll("<", "&lt;")} |`)
    .join("\n");

/** The S3 request behind an action's URL, as S3's own reference writes it: PUT key?partNumber&uploadId */
function s3Request(action: Action): string {
  if (!hasUrl(action)) return "none";
  const { method, query = {}, fields } = action;
  const names = [...Object.keys(query), ...Object.values(fields).map(({ query: name }) => name)];
  const parameters = names.filter((name) => name !== undefined && !name.startsWith("response-"));
  return `\`${method} key${parameters.length > 0 ? `?${parameters.join("&")}` : ""}\``;
}

/** The fields of all actions; one that means something else to another action has a row for each. */
function fieldRows(): string[][] {
  const users = new Map<Field, { name: string; actions: string[] }>();
  for (const [action, { fields }] of Object.entries(ACTIONS)) {
    for (const [name, field] of Object.entries(fields)) {
      const entry = users.get(field) ?? { name, actions: [] };
      entry.actions.push(action);
      users.set(field, entry);
    }
  }
  const urls = Object.values(ACTIONS).filter(hasUrl).length;
  return [...users].map(([field, { name, actions }]) => [
    `\`${name}\`${field.required ? " (required)" : ""}`,
    actions.length === urls ? "all with a URL" : actions.join(", "),
    describeField(name, field),
    field.header ? `\`${field.header}${field.header.endsWith("-") ? "*" : ""}\`` : "",
  ]);
}

/** The reference of the API, as it stands in the README: derived from the action table. */
export function reference(): string {
  const actions = Object.entries(ACTIONS).map(([name, action]) => [
    `\`${name}\``,
    action.role,
    SUMMARIES[name as ActionName],
    s3Request(action),
    action.iamActions.join(", "),
  ]);
  return [
    table(["action", "role", "what for", "S3 request", "the function's permission"], actions),
    table(["field", "actions", "what", "signed header"], fieldRows()),
  ].join("\n\n");
}

/** The README with its reference made anew. */
export function withReference(readme: string): string {
  const begin = readme.indexOf(BEGIN) + BEGIN.length;
  const end = readme.indexOf(END);
  if (begin < BEGIN.length || end < begin) throw new Error(`The README lacks "${BEGIN.trim()}" or "${END}".`);
  return `${readme.slice(0, begin)}\n${reference()}\n\n${readme.slice(end)}`;
}

if (require.main === module) writeFileSync(README, withReference(readFileSync(README, "utf8")));
