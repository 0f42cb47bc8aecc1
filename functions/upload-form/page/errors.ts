import { type Remedy, type Service, remedyOf } from "../../../contract/answers";
import { FAILURE } from "./texts";

/** The end of a file's upload that is no success: a sentence for people, and whether another try may help. */
export class Failure extends Error {
  constructor(
    message: string,
    /** Whether the upload can go on: what S3 has of it stays. Where it cannot, it is given up. */
    readonly mayRetry: boolean,
  ) {
    super(message);
  }
}

/** An error response. */
export class Refusal extends Error {
  constructor(
    readonly service: Service,
    readonly status: number,
    /** The service's own code, such as AccessDenied or SlowDown. Empty where the response has none. */
    readonly code: string,
    /** A sentence of the API's; empty where the response has none. */
    message = "",
    /** How long the service asks to wait before the next request, in milliseconds. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }

  /** The remedy. */
  get remedy(): Remedy {
    return remedyOf(this.service, this.status, this.code);
  }
}

/** A request without a response: the network failed, or the browser may not show the response. */
export class NoAnswer extends Error {
  constructor(readonly service: Service) {
    super();
  }
}

/** A response that is not S3's, although its status says success: something between the page and S3 wrote it. */
export const notOfS3 = (): Refusal => new Refusal("s3", 502, "");

/** Whether a request that failed may have been carried out: its response was lost, or says nothing about it. */
export const outcomeUnknown = (error: unknown): boolean =>
  error instanceof NoAnswer || (error instanceof Refusal && (error.status >= 500 || error.status < 300));

/** The failure of an upload that an error ends, as a person is told of it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof NoAnswer)
    return new Failure(error.service === "api" ? FAILURE.silent : FAILURE.unreachable, true);
  if (!(error instanceof Refusal)) return new Failure(FAILURE.ours(String(error)), true);
  if (error.remedy === "retry") return new Failure(FAILURE.again(error), true);
  return new Failure(error.service === "api" ? FAILURE.api(error) : FAILURE.bucket(error), true);
}
