import type { ErrorCode } from "../../packages/core/src/index.ts";

/** Code that reads untrusted bytes. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs to begin with. */
  seeds(): readonly Uint8Array[];
  /**
   * Works on one input. It may throw a `CodecError` with an allowed code; everything else that it throws, a second of
   * work, or much memory counts as a find. Properties of accepted inputs are checked with `assert`.
   */
  run(input: Uint8Array): unknown;
  /** Default: FORMAT, LIMIT, UNSUPPORTED. A parser that throws USAGE blames its caller for a fault of the file. */
  readonly allowed?: readonly ErrorCode[];
  /** Words that the format knows. */
  readonly dictionary?: readonly string[];
  /** The longest input. Default 4096. */
  readonly maxByteLength?: number;
  /** What the bytes are, for mutations that keep them well-formed. Default "bytes". */
  readonly shape?: "bytes" | "json" | "safetensors";
}
