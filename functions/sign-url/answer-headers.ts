/** Headers of every answer of the API: the functions', and those of API Gateway's own. */
export const ANSWER_HEADERS = {
  // A URL is a credential: nothing between the API and its caller may keep it.
  "cache-control": "no-store",
  // Two years. A host of a custom domain may have subdomains that are not the API's, so theirs are left out.
  // https://www.rfc-editor.org/rfc/rfc6797#section-6.1
  "strict-transport-security": "max-age=63072000",
  "x-content-type-options": "nosniff",
} as const;
