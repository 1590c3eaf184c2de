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
  | ({
      readonly kind: "floats";
      /** Each stored row becomes one row of the output, with nothing done in between. */
      readonly direct: boolean;
    } & GuideNames)
  /** Read as f32, taken through another layout and back, encoded: fake quantization. */
  | { readonly kind: "through"; readonly layout: PlanThrough };

/** The layout that values go through: a block type, or a packed weight. */
export type PlanThrough =
  | ({ readonly kind: "blocks"; readonly to: string } & GuideNames)
  | ({ readonly kind: "packed"; readonly to: string; readonly weight: PlanLinear } & GuideNames);

/**
 * What guides the choice of codes, by the names of entries; the run is given the files again. `name[3]` is one matrix of the
 * entry of a stack.
 */
export interface GuideNames {
  /** The entry of the importance matrix; of the calibration statistics where a run has no matrix. */
  readonly importance?: string | undefined;
  /** The entry of the calibration statistics that the weight is solved with. */
  readonly statistics?: string | undefined;
  /** Of a weight without statistics in a calibrated file: a longer search for the steps of its blocks. */
  readonly searched?: true | undefined;
}

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

/** The entries that a weight is made with; no keys for those that it has none of. */
export function guideNames({ way }: { readonly way: Way }): GuideNames {
  if (way.kind === "floats") return definedNames(way);
  return way.kind === "through" ? definedNames(way.layout) : {};
}

/** Without keys whose value is undefined: a plan is compared as JSON. */
export function definedNames({ importance, statistics, searched }: GuideNames): GuideNames {
  return {
    ...(importance === undefined ? {} : { importance }),
    ...(statistics === undefined ? {} : { statistics }),
    ...(searched === undefined ? {} : { searched }),
  };
}

/** One object for all weights of a kind: a model may have a hundred thousand. */
export const ROWS: Way = { kind: "rows" };
export const BYTES: Way = { kind: "bytes" };
const DIRECT: Way = { kind: "floats", direct: true };
const INDIRECT: Way = { kind: "floats", direct: false };

/** Values are decoded, and encoded again. */
export function floatsWay(direct: boolean, guides: GuideNames): Way {
  const plain = direct ? DIRECT : INDIRECT;
  const names = definedNames(guides);
  return Object.keys(names).length === 0 ? plain : { ...plain, ...names };
}

/** True for a weight whose codes something guides. */
export function isGuided(tensor: { readonly way: Way }): boolean {
  return Object.keys(guideNames(tensor)).length > 0;
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

const guideSchema = {
  importance: z.optional(z.string()),
  statistics: z.optional(z.string()),
  searched: z.optional(z.literal(true)),
};

const throughSchema: z.ZodMiniType<PlanThrough> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("blocks"), to: z.string(), ...guideSchema }),
  z.object({ kind: z.literal("packed"), to: z.string(), weight: linearSchema, ...guideSchema }),
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
  z.object({ kind: z.literal("floats"), direct: z.boolean(), ...guideSchema }),
  z.object({ kind: z.literal("through"), layout: throughSchema }),
]);
