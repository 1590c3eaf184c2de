import type { Finding } from "@requant/core";

/** What a plan tells, one message a line. */
export function messagesOf({ findings }: { readonly findings: readonly Finding[] }): string {
  return findings.map(({ message }) => message).join("\n");
}
