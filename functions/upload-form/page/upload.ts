import { formatBytes } from "../../../stacks/format";
import { Failure, failureOf } from "./errors";
import type { Item } from "./files";
import { staying } from "./leaving";
import { mediaTypeOf } from "./media-types";
import { Meter } from "./meter";
import { Multipart } from "./multipart";
import { cleanName } from "./names";
import { PutObject } from "./put-object";
import type { WaitReason } from "./retry";
import { MULTIPART_THRESHOLD_BYTES } from "../../../client/produce/layout";
import { LARGEST_FILE, STAGE } from "./settings";
import { FAILURE, ROW } from "./texts";

export type Phase = "waiting" | "running" | "paused" | "done" | "failed" | "cancelled";

/** Whether a media type is one that the stage takes: image/* takes image/png. */
const isTaken = (type: string) =>
  STAGE.contentTypes?.some((taken) =>
    taken.endsWith("/*") ? type.startsWith(taken.slice(0, -1)) : type.split(";")[0] === taken,
  ) ?? true;

/** @throws Failure where the API would refuse it */
function assertFit(size: number, type: string): void {
  const most = STAGE.maxObjectBytes;
  if (size > most) throw new Failure(FAILURE.tooLarge(size, most), false);
  if (size > LARGEST_FILE) throw new Failure(FAILURE.tooLargeForPage(size, LARGEST_FILE), false);
  if (!isTaken(type)) throw new Failure(FAILURE.type(type, STAGE.typeNames), false);
}

/** Says what an upload that runs waits for. */
const waiting = (reason: WaitReason): string =>
  typeof reason === "string" ? ROW[reason] : ROW.trouble(reason, (reason.until - performance.now()) / 1000);

/** One file on its way, from the moment that it is chosen. */
export class Upload {
  phase: Phase = "waiting";
  /** Bytes that S3 has. */
  sent = 0;
  /** Of those, the bytes that an earlier page sent: they are no speed of this one. */
  earlierBytes = 0;
  key: string | undefined;
  failure: Failure | undefined;
  /** Why it does not move, while it runs. */
  waitReason: WaitReason | undefined;
  readonly meter = new Meter();
  /** What it is called, here and in its key. */
  readonly name: string;
  readonly size: number;
  readonly #type: string;
  readonly #way: PutObject | Multipart;
  #controller = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    readonly item: Item,
    private readonly onChange: (upload: Upload) => void,
  ) {
    this.size = item.size;
    this.name = cleanName(item.path);
    this.#type = mediaTypeOf(item.file);
    this.#way = this.size > MULTIPART_THRESHOLD_BYTES ? new Multipart() : new PutObject();
  }

  /** Whether something would be lost if the page were left. */
  get isOpen(): boolean {
    return this.phase === "waiting" || this.phase === "running" || this.phase === "paused";
  }

  /** Goes on from where it is. Resolves once it moves no more. */
  run(): Promise<void> {
    this.#become("running");
    // What is being broken off ends first.
    this.#running = this.#running.then(() => this.#run());
    return this.#running;
  }

  pause(): void {
    if (this.phase !== "waiting" && this.phase !== "running") return;
    this.#become("paused");
    this.#controller.abort();
  }

  /** Puts it back into the line, to be {@link run}. */
  resume(): void {
    if (this.phase === "paused" || (this.phase === "failed" && this.failure?.mayRetry))
      this.#become("waiting");
  }

  /** Resolves once nothing of it is left. */
  async cancel(): Promise<void> {
    if (this.phase === "done" || this.phase === "cancelled") return;
    this.#become("cancelled");
    this.#controller.abort();
    await this.#running;
    if (this.key === undefined) await this.#way.giveUp();
  }

  async #run(): Promise<void> {
    if (this.phase !== "running") return;
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    try {
      assertFit(this.size, this.#type);
      this.key = await this.#way.run({
        chosen: this.item,
        name: this.name,
        type: this.#type,
        signal,
        onWait: (reason) => {
          this.waitReason = reason;
          this.onChange(this);
        },
        onProgress: (bytes, earlierBytes = 0) => {
          this.waitReason = undefined;
          this.sent = bytes;
          this.earlierBytes = earlierBytes;
          this.meter.add(bytes - earlierBytes);
          this.onChange(this);
        },
      });
      this.sent = this.size;
      this.#become("done");
    } catch (error) {
      // Once the page is being left, nothing is final.
      await staying();
      if (signal.aborted) return;
      this.failure = failureOf(error);
      if (!this.failure.mayRetry) await this.#way.giveUp();
      this.#become("failed");
    }
  }

  #become(phase: Phase): void {
    this.phase = phase;
    this.waitReason = undefined;
    this.meter.reset();
    this.onChange(this);
  }

  /** What a person is told of how it goes. */
  get status(): string {
    switch (this.phase) {
      case "running":
        return this.waitReason
          ? waiting(this.waitReason)
          : ROW.running(this.sent, this.size, this.meter.rate());
      case "paused":
        return ROW.paused(this.sent, this.size);
      case "failed":
        return this.failure?.message ?? "";
      case "done":
        return `${ROW.done} · ${formatBytes(this.size)}`;
      default:
        return ROW[this.phase];
    }
  }
}
