import { ROLES, type Role } from "./actions";

type Variables = Readonly<Record<string, string | undefined>>;

/** What every function knows: where it is, as whom, and the stage's cap. */
export interface CommonEnvironment {
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** The largest object that a producer may announce, in bytes; undefined for what S3 allows. */
  readonly maxObjectBytes: number | undefined;
  /** The media types that a payload may have; undefined for any. */
  readonly contentTypes?: readonly string[] | undefined;
}

/** What the function knows of its stack. Read once, when the function loads. */
export interface Environment extends CommonEnvironment {
  readonly bucketName: string;
  /** The roles whose actions this function serves. Of another role's callers the stage asks a signature. */
  readonly roles: readonly Role[];
  /** Whether the bucket takes new objects only. @default false */
  readonly denyOverwrites?: boolean | undefined;
  /** S3's endpoint, for buckets by path; undefined for AWS, where the bucket is in the host name. */
  readonly endpoint: URL | undefined;
}

/** The names of the variables that the stack sets; the others are Lambda's own. */
export const VARIABLES = {
  bucketName: "BUCKET_NAME",
  roles: "ROLES",
  maxObjectBytes: "MAX_OBJECT_BYTES",
  denyOverwrites: "DENY_OVERWRITES",
  contentTypes: "CONTENT_TYPES",
} as const;

/** @throws Error where the variable is missing, or empty */
export function need(variables: Variables, name: string): string {
  const value = variables[name];
  if (!value) throw new Error(`The environment variable ${name} is not set.`);
  return value;
}

/**
 * @throws Error where a variable is missing or unfit, which stops the function before its first request
 */
export function readCommon(variables: Variables): CommonEnvironment {
  const maxObjectBytes = variables[VARIABLES.maxObjectBytes];
  if (maxObjectBytes !== undefined && !/^[1-9]\d*$/.test(maxObjectBytes)) {
    throw new Error(`${VARIABLES.maxObjectBytes} must be a whole number of bytes, not "${maxObjectBytes}".`);
  }
  const sessionToken = variables["AWS_SESSION_TOKEN"];
  return {
    region: need(variables, "AWS_REGION"),
    credentials: {
      accessKeyId: need(variables, "AWS_ACCESS_KEY_ID"),
      secretAccessKey: need(variables, "AWS_SECRET_ACCESS_KEY"),
      ...(sessionToken && { sessionToken }),
    },
    maxObjectBytes: maxObjectBytes === undefined ? undefined : Number(maxObjectBytes),
    contentTypes: variables[VARIABLES.contentTypes]?.split(","),
  };
}

/**
 * @throws Error where a variable is missing or unfit, which stops the function before its first request
 */
export function readEnvironment(variables: Variables): Environment {
  const roles = need(variables, VARIABLES.roles).split(",") as Role[];
  if (!roles.every((role) => ROLES.includes(role))) {
    throw new Error(`${VARIABLES.roles} must list some of ${ROLES.join(", ")}, not "${roles.join(",")}".`);
  }
  const endpoint = variables["AWS_ENDPOINT_URL_S3"];
  return {
    ...readCommon(variables),
    bucketName: need(variables, VARIABLES.bucketName),
    roles,
    denyOverwrites: Boolean(variables[VARIABLES.denyOverwrites]),
    endpoint: endpoint ? new URL(endpoint) : undefined,
  };
}
