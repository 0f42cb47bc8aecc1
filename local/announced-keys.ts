import { contentsOf } from "../client/consume/contents";

/** The keys of the objects that a message announces; none where it announces no object. */
export function keysOf(body: string): string[] {
  try {
    const contents = contentsOf({ Body: body });
    if (contents.kind !== "objects") return [];
    return contents.objects.flatMap((object) => ("key" in object ? [object.key] : []));
  } catch {
    return [];
  }
}
