import { type ApiRules, openApi } from "../../functions/sign-url/openapi";

/** An operation of the API's description. */
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly security: readonly object[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>;
}

/** Stages, by what their descriptions depend on. */
export const STAGES: Readonly<Record<string, ApiRules>> = {
  open: { roles: ["producer", "consumer"], withoutUrl: ["sendMessage"], uploadForm: true },
  strict: {
    roles: ["producer"],
    withoutUrl: ["sendMessage"],
    maxObjectBytes: 1000,
    contentTypes: ["image/*", "application/vnd.a+b.c"],
    denyOverwrites: true,
  },
  keys: {
    roles: ["producer"],
    security: { producer: "api_key", consumer: undefined },
    maxObjectBytes: 50 * 1000 ** 4,
  },
};

export const operationsOf = (rules: ApiRules) =>
  Object.entries(openApi(rules).paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      path,
      method,
      operation: operation as unknown as Operation,
    })),
  );
