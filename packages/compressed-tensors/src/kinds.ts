/** How a weight is stored, by the names and encodings of its parts. */
import type { LinearPart } from "@requant/core/format";
import { ACTIVATION_PARTS } from "./parts.ts";

/** "sparse": in a way that is not read. "float": plain floats that the configuration transforms. */
export type StorageKind = "float4" | "packed-int" | "int8" | "float8" | "sparse" | "float";

/** What is known of a module besides its parts. */
export interface KindClues {
  /** The model's configuration is one of compressed-tensors. */
  readonly isClaimed: boolean;
  /** There is a configuration of another method. */
  readonly isForeign: boolean;
  /** The configuration transforms the inputs of the module. */
  readonly isTransformed: boolean;
}

interface Clues extends KindClues {
  /** The part `weight` has rows and columns. */
  readonly isMatrix: boolean;
}

type EncodingOf = (suffix: string) => string | undefined;

const FLOATS: ReadonlySet<string | undefined> = new Set(["F32", "F16", "BF16"]);

/**
 * The first that fits is the kind. Other formats store floats and integers of a byte under the same two names, so that for
 * these the configuration must say that they are of this format.
 */
const KINDS: readonly (readonly [kind: StorageKind, fits: (of: EncodingOf, clues: Clues) => boolean])[] = [
  ["float4", (of) => of("weight_packed") === "U8"],
  ["packed-int", (of) => of("weight_packed") !== undefined || of("weight_shape") !== undefined],
  ["sparse", (of, { isClaimed }) => isClaimed && of("compressed") !== undefined],
  ["int8", (of, { isForeign }) => !isForeign && of("weight") === "I8" && of("weight_scale") !== undefined],
  [
    "float8",
    (of, { isClaimed }) => isClaimed && of("weight") === "F8_E4M3" && of("weight_scale") !== undefined,
  ],
  // norms are no matrices
  ["float", (of, { isTransformed, isMatrix }) => isTransformed && isMatrix && FLOATS.has(of("weight"))],
];

/** Undefined where the parts are no weight of this format. */
export function kindOf(parts: readonly LinearPart[], clues: KindClues): StorageKind | undefined {
  const of: EncodingOf = (suffix) => parts.find((part) => part.suffix === suffix)?.encoding;
  const isMatrix = parts.find(({ suffix }) => suffix === "weight")?.shape.length === 2;
  return KINDS.find(([, fits]) => fits(of, { ...clues, isMatrix }))?.[0];
}

/** Parts that only this format has: a module with one of them is of this format, even where others are missing. */
const OWN_PARTS: readonly string[] = [
  "weight_packed",
  "weight_shape",
  "weight_zero_point",
  "weight_g_idx",
  "weight_global_scale",
];

const SPARSE_PARTS: readonly string[] = ["compressed", "bitmask", "row_offsets", "shape"];

/** All suffixes, whatever the kind. */
export const SUFFIXES: readonly string[] = /* @__PURE__ */ allSuffixes();

function allSuffixes(): string[] {
  return ["weight", "weight_scale", ...OWN_PARTS, ...SPARSE_PARTS, ...ACTIVATION_PARTS];
}

const PACKED = ["weight_packed", "weight_scale"] as const;
const PLAIN = ["weight", "weight_scale"] as const;

/** The parts of each kind. Floats have no zero points, but old files store zeros in their place. */
const KIND_PARTS: Readonly<Record<StorageKind, readonly string[]>> = /* @__PURE__ */ partsOfKinds();

function partsOfKinds(): Record<StorageKind, readonly string[]> {
  return {
    "packed-int": [...PACKED, "weight_shape", "weight_zero_point", "weight_g_idx"],
    int8: [...PLAIN, "weight_zero_point", "weight_g_idx"],
    float8: [...PLAIN, "weight_zero_point"],
    float4: [...PACKED, "weight_global_scale", "weight_zero_point"],
    sparse: [...SPARSE_PARTS, "weight_scale", "weight_zero_point"],
    float: ["weight"],
  };
}

/** Parts of a module that do not belong to a weight of its kind. */
export function strangeParts<Part extends LinearPart>(kind: StorageKind, parts: readonly Part[]): Part[] {
  return parts.filter(({ suffix }) => !KIND_PARTS[kind].includes(suffix));
}

/** True where some part is of this format and of no other. */
export function hasOwnPart(parts: readonly LinearPart[]): boolean {
  return parts.some(({ suffix }) => OWN_PARTS.includes(suffix));
}
