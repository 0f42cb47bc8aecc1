/**
 * The media types of the endings that people upload most, as the tweedle command has them too. A browser asks the
 * operating system, which knows few of them, and calls some by names of its own.
 */
export const MEDIA_TYPES: Readonly<Record<string, string>> = {
  "3gp": "video/3gpp",
  "7z": "application/x-7z-compressed",
  aac: "audio/aac",
  avi: "video/x-msvideo",
  avif: "image/avif",
  bmp: "image/bmp",
  bz2: "application/x-bzip2",
  css: "text/css",
  csv: "text/csv",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  eml: "message/rfc822",
  epub: "application/epub+zip",
  flac: "audio/x-flac",
  geojson: "application/geo+json",
  gif: "image/gif",
  gz: "application/gzip",
  heic: "image/heic",
  heif: "image/heif",
  htm: "text/html",
  html: "text/html",
  ico: "image/vnd.microsoft.icon",
  ics: "text/calendar",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  log: "text/plain",
  m4a: "audio/mp4",
  m4v: "video/x-m4v",
  markdown: "text/markdown",
  md: "text/markdown",
  mjs: "text/javascript",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  odp: "application/vnd.oasis.opendocument.presentation",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
  odt: "application/vnd.oasis.opendocument.text",
  ogg: "audio/ogg",
  opus: "audio/ogg",
  pdf: "application/pdf",
  png: "image/png",
  ppt: "application/vnd.ms-powerpoint",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  psd: "image/vnd.adobe.photoshop",
  rar: "application/vnd.rar",
  rtf: "application/rtf",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  tif: "image/tiff",
  tiff: "image/tiff",
  tsv: "text/tab-separated-values",
  txt: "text/plain",
  vcf: "text/x-vcard",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  wmv: "video/x-ms-wmv",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml: "application/xml",
  yaml: "text/yaml",
  yml: "text/yaml",
  zip: "application/zip",
};

const UNKNOWN = "application/octet-stream";

/**
 * Types that browsers report in place of the registered one: https://www.iana.org/assignments/media-types
 *
 * Windows calls a file by the program that opens it: a CSV by Excel, an RTF by Word. Without its ending, the type stays.
 */
const ALIASES: readonly string[] = [
  UNKNOWN,
  "application/csv",
  "application/javascript",
  "application/msword",
  "application/vnd.ms-excel",
  "application/x-csv",
  "application/x-gzip",
  "application/x-javascript",
  "application/x-pdf",
  "application/x-rar-compressed",
  "application/x-zip",
  "application/x-zip-compressed",
  "application/zip-compressed",
  "audio/mp3",
  "audio/vnd.wave",
  "audio/wave",
  "audio/x-m4a",
  "audio/x-mp3",
  "audio/x-wav",
  "image/jpg",
  "image/pjpeg",
  "image/x-png",
  "multipart/x-zip",
  "text/comma-separated-values",
  "text/x-csv",
  "text/x-markdown",
  "video/avi",
  "video/msvideo",
];

/** The media type of a file: the browser's, or by the name's ending where the browser has none, or an alias. */
export function mediaTypeOf({ name, type }: Pick<File, "name" | "type">): string {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const known = Object.hasOwn(MEDIA_TYPES, ending) ? MEDIA_TYPES[ending] : undefined;
  return (type === "" || ALIASES.includes(type) ? known : undefined) ?? (type || UNKNOWN);
}
