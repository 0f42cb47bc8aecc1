import { ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { KEY_PREFIX } from "../functions/sign-url/keys";

/** An object that is in the bucket now. */
export interface StoredObject {
  readonly key: string;
  readonly size: number;
  readonly eTag: string;
  readonly modifiedAt: Date;
}

/** What is under input/, a page at a time. It needs s3:ListBucket, and reads no payload. */
export async function* listObjects(
  s3: S3Client,
  bucket: string,
  prefix = KEY_PREFIX,
): AsyncGenerator<StoredObject> {
  for (let token: string | undefined, more = true; more; more = token !== undefined) {
    const page = await s3.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token !== undefined && { ContinuationToken: token }),
      }),
    );
    for (const { Key = "", Size = 0, ETag = "", LastModified = new Date(0) } of page.Contents ?? []) {
      yield { key: Key, size: Size, eTag: ETag.replaceAll('"', ""), modifiedAt: LastModified };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  }
}

/** One object, as the listing has it: whoever may list need not be able to read it. */
export async function findObject(
  s3: S3Client,
  bucket: string,
  key: string,
): Promise<StoredObject | undefined> {
  for await (const object of listObjects(s3, bucket, key)) {
    if (object.key === key) return object;
    // A key sorts before all that it begins.
    return undefined;
  }
  return undefined;
}
