/** More are not remembered one by one. */
const REMEMBERED = 10_000;

/** Messages that have failed, and were not handled since, as far as that is known. */
export class Failures {
  readonly #messages = new Set<string>();
  #unknown = false;

  /** @param most how many to remember: of others it counts as known that they were never handled */
  constructor(private readonly most = REMEMBERED) {}

  /** Whether any are left. */
  get any(): boolean {
    return this.#unknown || this.#messages.size > 0;
  }

  has(messageId: string): boolean {
    return this.#messages.has(messageId);
  }

  add(messageId: string): void {
    if (this.#messages.has(messageId)) return;
    if (this.#messages.size < this.most) this.#messages.add(messageId);
    else this.#unknown = true;
  }

  delete(messageId: string): void {
    this.#messages.delete(messageId);
  }
}
