/** Messages between the page and its host, the worker in which models are opened. All are plain data. */
import type { ErrorCode, Finding } from "@requant/core";
import type { HostMethods } from "./methods/index.ts";

export type MethodName = keyof HostMethods;

/** What a method takes, and what it gives. */
export type MethodInput<K extends MethodName> = Parameters<HostMethods[K]>[0];
export type MethodOutput<K extends MethodName> = Awaited<ReturnType<HostMethods[K]>>;

/** What the page sends. */
export type HostRequest =
  | { readonly kind: "call"; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly kind: "cancel"; readonly id: number };

/** What the host sends. */
export type HostReply =
  | { readonly kind: "progress"; readonly id: number; readonly value: unknown }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly refusal: Refusal };

/** An error that a person can read: what, where, and what to do. */
export interface Refusal extends Finding {
  readonly severity: "error";
  /** Undefined for an error that is a fault of this program. */
  readonly kind: ErrorCode | undefined;
  /** The person stopped it. */
  readonly isStopped: boolean;
}
