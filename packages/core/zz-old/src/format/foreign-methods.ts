/** Methods of quantization whose weights no format reads yet, with the meaning of their configurations. */
import type { QuantMethod } from "./quant-method.ts";

/** Methods of which only one thing is known: they never store a packed weight as plain floats. */
const PACKED_ONLY: readonly string[] = ["exl3", "aqlm", "vptq", "spqr", "higgs"];

/**
 * All methods without a format. A package that reads the weights of a method moves the method's entry into itself.
 * A method without `leavesFloats` (BitNet, for one) may compute with other values than the plain floats that it stores.
 */
export const foreignMethods: readonly QuantMethod[] = [
  ...PACKED_ONLY.map((name): QuantMethod => ({ names: [name], leavesFloats: true })),
];
