const UNRESERVED = /^[\w.~-]*$/;

/** As Signature Version 4 encodes: encodeURIComponent leaves !'()* alone. */
export const encode = (text: string): string =>
  UNRESERVED.test(text)
    ? text
    : encodeURIComponent(text).replace(
        /[!'()*]/g,
        (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
      );
