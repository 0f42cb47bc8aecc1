import { LIMITS } from "../../sign-url/limits";

const MIB = 1024 ** 2;
const { maxObjectBytes = "", contentTypes = "", typeNames = "" } = document.body.dataset;

/** Of the stage, as the page was made for it. What holds is what the API says; this only says it earlier. */
export const STAGE = {
  maxObjectBytes: maxObjectBytes === "" ? Infinity : Number(maxObjectBytes),
  contentTypes: contentTypes === "" ? undefined : contentTypes.split(","),
  typeNames,
};

/** The API that this page is GET / of, with a slash at the end. Of the address, only the path is taken. */
export const API = `${location.origin}${location.pathname.replace(/\/*$/, "")}/`;

/** What a part should have, in bytes: it is in memory while it is hashed. */
export const PART_BYTES = 8 * MIB;
/** The largest that a part may have, in bytes, and so the largest file. */
export const LARGEST_FILE = LIMITS.partsPerUpload * 64 * MIB;
/** Requests with a body at once, of all files. */
export const LANES = 4;
/** Files at once. */
export const FILES_AT_ONCE = 4;
/** How long our URLs live, in seconds: the longest that the API signs. */
export const EXPIRES_IN = LIMITS.maxExpirySeconds;
