/** The page as the function answers it, made when the stack is synthesized. */
export interface Page {
  readonly html: string;
  /** Its Content-Security-Policy, but for where it may connect to. */
  readonly policy: string;
}
