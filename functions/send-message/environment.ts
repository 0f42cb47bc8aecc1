import {
  type CommonEnvironment,
  VARIABLES as COMMON_VARIABLES,
  need,
  readCommon,
} from "../sign-url/environment";

/** What the sender knows of its stack. Read once, when the function loads. */
export interface SenderEnvironment extends CommonEnvironment {
  /** The queue's URL, at the endpoint that it is called at. */
  readonly queueUrl: URL;
}

/** The names of the variables that the stack sets; the others are Lambda's own. */
export const VARIABLES = {
  queueUrl: "QUEUE_URL",
  maxObjectBytes: COMMON_VARIABLES.maxObjectBytes,
  contentTypes: COMMON_VARIABLES.contentTypes,
} as const;

/**
 * @throws Error where a variable is missing or unfit, which stops the function before its first request
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): SenderEnvironment {
  const queueUrl = new URL(need(variables, VARIABLES.queueUrl));
  const endpoint = variables["AWS_ENDPOINT_URL_SQS"];
  return {
    ...readCommon(variables),
    queueUrl: endpoint ? new URL(queueUrl.pathname, endpoint) : queueUrl,
  };
}
