import type { Finding } from "@requant/core";

/** The messages of a plan's findings, one on each line. */
export function messagesOf({ findings }: { readonly findings: readonly Finding[] }): string {
  return findings.map(({ message }) => message).join("\n");
}
