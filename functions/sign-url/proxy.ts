import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { RequestError } from "./errors";

/** What of a proxy event the functions read. Nothing that they sign or send comes from a header. */
export type ProxyEvent = Pick<
  APIGatewayProxyEvent,
  "httpMethod" | "resource" | "headers" | "body" | "isBase64Encoded"
>;

export type ProxyHandler = (event: ProxyEvent) => Promise<APIGatewayProxyResult>;

export const answer = (
  statusCode: number,
  contentType: string,
  body: string,
  headers = {},
): APIGatewayProxyResult => ({
  statusCode,
  headers: {
    "content-type": `${contentType}; charset=utf-8`,
    // A URL is a credential: nobody between us and the caller may keep it.
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  },
  body,
});

export const answerJson = (statusCode: number, body: object, headers = {}) =>
  answer(statusCode, "application/json", JSON.stringify(body), headers);

export const answerError = (statusCode: number, code: string, message: string, headers = {}) =>
  answerJson(statusCode, { error: { code, message } }, headers);

/** @throws RequestError where a body in base64 is no UTF-8 */
export function decodeBody({ body, isBase64Encoded }: ProxyEvent): string {
  if (!isBase64Encoded) return body ?? "";
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(body ?? "", "base64"));
  } catch {
    throw new RequestError(400, "InvalidJson", "The body must be JSON in UTF-8.");
  }
}

/**
 * Makes a handler that never throws: a caller's mistake is answered with 4xx, our own with a 500 that says nothing,
 * its stack in the log.
 */
export const answering =
  (handle: ProxyHandler): ProxyHandler =>
  async (event) => {
    try {
      return await handle(event);
    } catch (error) {
      if (error instanceof RequestError) {
        return answerError(error.status, error.code, error.message);
      }
      console.error(error);
      return answerError(500, "InternalError", "Something broke on our side. Try again.");
    }
  };
