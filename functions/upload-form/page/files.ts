/** A file as it was when it was chosen. Some browsers let its size and date follow the disk. */
export interface ChosenFile {
  readonly file: File;
  /** In bytes. */
  readonly size: number;
  /** In milliseconds since 1970. */
  readonly lastModified: number;
}

/** A chosen file, and where it lay among what was chosen with it: photos/2026/cat.jpg. */
export interface Item extends ChosenFile {
  readonly path: string;
}

export interface Found {
  readonly items: readonly Item[];
  /** How many files or folders could not be read. */
  readonly unread: number;
}

const itemOf = (file: File, path = file.webkitRelativePath || file.name): Item => {
  const { size, lastModified } = file;
  return { file, size, lastModified, path };
};

/** The files of an input. */
export const chosen = ({ files }: HTMLInputElement): Found => ({
  items: Array.from(files ?? [], (file) => itemOf(file)),
  unread: 0,
});

/** The files that were dropped, and all that are in folders that were. It has to be called while they are dropped. */
export async function dropped({ items, files }: DataTransfer): Promise<Found> {
  // Later the list is empty.
  const entries = Array.from(items, (item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const whole = Array.from(files, (file) => itemOf(file));
  if (entries.every((entry) => !entry)) return { items: whole, unread: 0 };
  const found: Item[] = [];
  let unread = 0;
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    try {
      if (isFile(entry)) found.push(itemOf(await fileOf(entry), entry.fullPath.slice(1)));
      else for await (const child of children(entry as FileSystemDirectoryEntry)) await walk(child);
    } catch {
      unread += 1;
    }
  };
  for (const entry of entries) if (entry) await walk(entry);
  return { items: found, unread };
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve, reject) => {
    entry.file(resolve, reject);
  });

/** A browser gives a folder's entries a hundred at a time, and none at the end. */
async function* children(folder: FileSystemDirectoryEntry) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return;
    yield* some;
  }
}
