/** How the values of a weight get from the source into the output. `chooseWay` decides; the run follows. Plain JSON. */
import type { LinearPart, PlainLayout } from "@requant/core/format";
import type { HiddenGrid } from "@requant/core/view";
import * as z from "zod/mini";
import type { HiddenGrids } from "../model/hidden-grids.ts";

/** The ways, from stored bytes that stay what they are to values that are computed. */
export type Way =
  /** The stored bytes of one tensor, as they lie. */
  | { readonly kind: "bytes" }
  /** Whole stored rows, in another order or of several tensors. */
  | { readonly kind: "rows" }
  /** The stored tensors of a packed weight. */
  | { readonly kind: "parts" }
  /** Codes and scales are moved; no weight becomes a float. */
  | {
      readonly kind: "view";
      /** Without the scale of the whole weight, which the output stores in a tensor of its own. */
      readonly unscaled?: true | undefined;
      /** The grids of floats that lie on some. */
      readonly grids?: HiddenGrids | undefined;
    }
  /** Read as f32, computed where the inputs say so, encoded. */
  | {
      readonly kind: "floats";
      /** Each stored row becomes one row of the output, with nothing done in between. */
      readonly direct: boolean;
      /** The entry of the importance matrix; the run is given the matrix again. */
      readonly importance?: string | undefined;
    }
  /** Read as f32, taken through another layout and back, encoded: fake quantization. */
  | { readonly kind: "through"; readonly layout: PlanThrough };

/** The layout that values go through: a block type, or a packed weight. */
export type PlanThrough =
  | { readonly kind: "blocks"; readonly to: string; readonly importance?: string | undefined }
  | { readonly kind: "packed"; readonly to: string; readonly weight: PlanLinear };

/** A packed weight of the output. */
export interface PlanLinear {
  /** A name of the list of formats. */
  readonly format: string;
  /** The format's own layout. */
  readonly layout: PlainLayout;
  /** Stored tensors, named in the file `<module>.<suffix>`. */
  readonly module: string;
  readonly parts: readonly LinearPart[];
}

/** The grids that give a weight of floats its view. */
export function gridsOf({ way }: { readonly way: Way }): HiddenGrids | undefined {
  return way.kind === "view" ? way.grids : undefined;
}

/** The layout that a weight goes through on its way; undefined where it goes through none. */
export function throughOf({ way }: { readonly way: Way }): PlanThrough | undefined {
  return way.kind === "through" ? way.layout : undefined;
}

/** The entry of the importance matrix that a weight is made with. */
export function importanceName({ way }: { readonly way: Way }): string | undefined {
  if (way.kind === "floats") return way.importance;
  return way.kind === "through" && way.layout.kind === "blocks" ? way.layout.importance : undefined;
}

const countSchema = z.int().check(z.nonnegative());

export const linearSchema: z.ZodMiniType<PlanLinear> = z.object({
  format: z.string(),
  layout: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  module: z.string(),
  parts: z.array(
    z.object({ suffix: z.string(), encoding: z.string(), shape: z.array(countSchema).check(z.maxLength(4)) }),
  ),
});

const gridSchema: z.ZodMiniType<HiddenGrid> = z.object({
  levels: z.enum(["integer", "E2M1", "E4M3"]),
  bits: z.int().check(z.minimum(2), z.maximum(8)),
  symmetric: z.boolean(),
  blockRows: z.int().check(z.minimum(1)),
  blockColumns: z.int().check(z.minimum(-1)),
  scale: z.enum(["F16", "BF16", "F32", "E8M0", "E4M3"]),
  factor: z.optional(z.number()),
  rounding: z.enum(["none", "F32", "BF16", "F16"]),
});

const throughSchema: z.ZodMiniType<PlanThrough> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("blocks"), to: z.string(), importance: z.optional(z.string()) }),
  z.object({ kind: z.literal("packed"), to: z.string(), weight: linearSchema }),
]);

export const waySchema: z.ZodMiniType<Way> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("bytes") }),
  z.object({ kind: z.literal("rows") }),
  z.object({ kind: z.literal("parts") }),
  z.object({
    kind: z.literal("view"),
    unscaled: z.optional(z.literal(true)),
    grids: z.optional(z.record(z.string(), gridSchema)),
  }),
  z.object({ kind: z.literal("floats"), direct: z.boolean(), importance: z.optional(z.string()) }),
  z.object({ kind: z.literal("through"), layout: throughSchema }),
]);
