/** An error or a warning of Terraform's: https://developer.hashicorp.com/terraform/internals/machine-readable-ui#diagnostic */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly summary: string;
  readonly detail?: string;
  /** The resource that it is about. */
  readonly address?: string;
}

/** A line of Terraform's -json output. */
export interface OutputLine {
  readonly "@message"?: string;
  readonly type?: string;
  readonly diagnostic?: Diagnostic;
}

/** Reads a line of Terraform's -json output; undefined where it is none, as a warning before Terraform knows its options. */
export function readOutputLine(text: string): OutputLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === "object" && line !== null ? line : undefined;
  } catch {
    return undefined;
  }
}

/** An error as Terraform says it to people, without its frame. */
export const sayError = ({ summary, detail, address }: Diagnostic): string =>
  [`Error: ${summary}`, address && `  with ${address}`, detail].filter(Boolean).join("\n");
