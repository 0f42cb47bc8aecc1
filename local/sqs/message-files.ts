import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFolderSync } from "../../common/create-folder";
import { StartError } from "../server";
import type { Message } from "./message";

/** Where a queue keeps its messages, so that they survive a restart. */
export interface MessageStore {
  /** The messages that an earlier run has left, oldest first. */
  readonly read: () => Message[];
  readonly write: (message: Message) => void;
  readonly remove: (messageId: string) => void;
}

/** A queue that ends with its process. */
export const inMemory: MessageStore = { read: () => [], write: () => undefined, remove: () => undefined };

const ENDING = ".json";

/** A file for each message in a folder of the queue's own. */
export function messageFiles(folder: string): MessageStore {
  createFolderSync(folder);
  const fileOf = (messageId: string) => join(folder, `${messageId}${ENDING}`);
  return {
    read: () => {
      const names = readdirSync(folder);
      // A process that was killed leaves what it had not written whole.
      for (const name of names.filter((each) => !each.endsWith(ENDING))) rmSync(join(folder, name));
      return names
        .filter((name) => name.endsWith(ENDING))
        .map((name) => readMessage(join(folder, name)))
        .toSorted((a, b) => a.sentAt - b.sentAt);
    },
    write: (message) => {
      const partial = join(folder, `${message.messageId}.partial`);
      writeFileSync(partial, JSON.stringify(message));
      renameSync(partial, fileOf(message.messageId));
    },
    remove: (messageId) => rmSync(fileOf(messageId), { force: true }),
  };
}

function readMessage(path: string): Message {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Message;
  } catch (error) {
    throw new StartError(`${path} is not a message of the local SQS. Remove it, or choose another --data.`, {
      cause: error,
    });
  }
}
