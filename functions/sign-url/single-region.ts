/**
 * Stands in, in the bundle, for `@aws-sdk/signature-v4-multi-region`, which wraps this same class to also sign
 * for several regions at once with a native library. We sign for one region: 4 KB less to load at a cold start.
 */
export { SignatureV4 as SignatureV4MultiRegion } from "@smithy/signature-v4";
