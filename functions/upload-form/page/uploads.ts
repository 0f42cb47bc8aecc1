import type { Item } from "./files";
import { Meter } from "./meter";
import { FILES_AT_ONCE } from "./settings";
import { type Phase, Upload } from "./upload";

/** How far all of them are. */
export interface Totals {
  readonly files: number;
  readonly size: number;
  readonly sent: number;
  readonly earlierBytes: number;
  readonly by: Readonly<Record<Phase, number>>;
}

/** All uploads, of which some run at once. */
export class Uploads {
  readonly all: Upload[] = [];
  readonly meter = new Meter();

  constructor(private readonly onChange: (upload: Upload) => void) {}

  add(items: readonly Item[]): void {
    for (const item of items) this.all.push(new Upload(item, this.onChange));
    this.pump();
  }

  /** Lets the next ones run that wait. */
  pump(): void {
    let running = this.all.filter(({ phase }) => phase === "running").length;
    for (const upload of this.all) {
      if (running >= FILES_AT_ONCE) return;
      if (upload.phase !== "waiting") continue;
      running += 1;
      void upload.run().then(() => this.pump());
    }
  }

  pauseAll(): void {
    for (const upload of this.all) upload.pause();
  }

  resumeAll(): void {
    for (const upload of this.all) if (upload.phase === "paused") upload.resume();
    this.pump();
  }

  /** Takes those off the list that are over. */
  clear(): void {
    this.#keep(({ phase }) => phase !== "done" && phase !== "cancelled");
  }

  remove(upload: Upload): void {
    this.#keep((other) => other !== upload);
  }

  totals(): Totals {
    const by = { waiting: 0, running: 0, paused: 0, done: 0, failed: 0, cancelled: 0 };
    let size = 0;
    let sent = 0;
    let earlierBytes = 0;
    for (const upload of this.all) {
      by[upload.phase] += 1;
      // What will not go is not waited for.
      if (upload.phase === "failed" || upload.phase === "cancelled") continue;
      size += upload.size;
      sent += upload.sent;
      earlierBytes += upload.earlierBytes;
    }
    return { files: this.all.length, size, sent, earlierBytes, by };
  }

  #keep(stays: (upload: Upload) => boolean): void {
    const kept = this.all.filter(stays);
    this.all.length = 0;
    // Not spread: there may be more than a call may have arguments.
    for (const upload of kept) this.all.push(upload);
  }
}
