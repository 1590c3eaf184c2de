/** Layouts as plans hold them: JSON of numbers, words and flags. */
import type { PlainLayout, ScaleEncoding } from "@requant/core/format";
import { parseLayout } from "@requant/core/format";
import * as z from "zod/mini";
import type { Float4Layout } from "./float4.ts";
import type { CompressedFloat8Layout } from "./float8.ts";
import type { Int8Layout } from "./int8.ts";
import type { CompressedTensorsLayout } from "./layout.ts";
import { SCALE_SHAPES } from "./scale-grid.ts";

/** The model's own float type, where a plan knows it. */
export interface PlannedArithmetic {
  readonly arithmetic?: ScaleEncoding | undefined;
}

const packedIntSchema: z.ZodMiniType<CompressedTensorsLayout> = /* @__PURE__ */ schemaOfPackedInts();
const int8Schema: z.ZodMiniType<Int8Layout & PlannedArithmetic> = /* @__PURE__ */ schemaOfInt8();
const float8Schema: z.ZodMiniType<CompressedFloat8Layout & PlannedArithmetic> =
  /* @__PURE__ */ schemaOfFloat8();
const float4Schema: z.ZodMiniType<Float4Layout & PlannedArithmetic> = /* @__PURE__ */ schemaOfFloat4();

function schemaOfPackedInts(): z.ZodMiniType<CompressedTensorsLayout> {
  const { size, floats } = fields();
  return z.object({
    rows: size,
    columns: size,
    bits: z.int().check(z.gte(1), z.lte(8)),
    groupCount: size,
    groupSize: z.int(),
    symmetric: z.boolean(),
    scale: floats,
    grouping: z.enum(["any", "sequential"]),
    packing: z.optional(z.literal("loose")),
    zeros: z.optional(z.literal("I8")),
    shape: z.optional(z.literal("I32")),
    groupIndex: z.optional(z.literal("I64")),
  });
}

function schemaOfInt8(): z.ZodMiniType<Int8Layout & PlannedArithmetic> {
  const { size, floats, grid, arithmetic } = fields();
  return z.object({
    kind: z.literal("int8"),
    rows: size,
    columns: size,
    ...grid,
    scale: floats,
    symmetric: z.boolean(),
    grouping: z.enum(["any", "sequential"]),
    groupIndex: z.optional(z.literal("I64")),
    arithmetic,
  });
}

function schemaOfFloat8(): z.ZodMiniType<CompressedFloat8Layout & PlannedArithmetic> {
  const { size, grid, arithmetic } = fields();
  return z.object({
    kind: z.literal("float8"),
    rows: size,
    columns: size,
    ...grid,
    scale: z.enum(["F16", "BF16", "F32", "E8M0"]),
    arithmetic,
  });
}

function schemaOfFloat4(): z.ZodMiniType<Float4Layout & PlannedArithmetic> {
  const { size, arithmetic } = fields();
  return z
    .object({
      kind: z.literal("float4"),
      rows: size,
      columns: size,
      groupSize: size,
      scale: z.enum(["E4M3", "E8M0"]),
      global: z.optional(z.enum(["one", "scalar"])),
      arithmetic,
    })
    .check(
      z.refine(({ scale, global }) => (scale === "E4M3") === (global !== undefined), {
        path: ["global"],
        error: "E4M3 scales have a global scale, and E8M0 scales have none",
      }),
      z.refine(({ columns, groupSize }) => groupSize % 2 === 0 && columns % groupSize === 0, {
        path: ["groupSize"],
        error: "columns are not whole groups of an even size",
      }),
    );
}

/** What several of the schemas have. */
function fields() {
  const size = z.int().check(z.positive());
  const floats = z.enum(["F16", "BF16", "F32"]);
  const grid = { scaleShape: z.enum(SCALE_SHAPES), blockRows: size, blockColumns: size };
  return { size, floats, grid, arithmetic: z.optional(floats) };
}

/** A layout of one of the kinds. */
export type AnyLayout =
  | { readonly kind: "packed-int"; readonly layout: CompressedTensorsLayout }
  | { readonly kind: "int8"; readonly layout: Int8Layout & PlannedArithmetic }
  | { readonly kind: "float8"; readonly layout: CompressedFloat8Layout & PlannedArithmetic }
  | { readonly kind: "float4"; readonly layout: Float4Layout & PlannedArithmetic };

/** @throws UsageError for a layout of no kind, which a plan that was edited by hand may have */
export function layoutOf(plain: PlainLayout): AnyLayout {
  const name = "compressed-tensors";
  switch (plain["kind"]) {
    case "int8":
      return { kind: "int8", layout: parseLayout(int8Schema, plain, name) };
    case "float8":
      return { kind: "float8", layout: parseLayout(float8Schema, plain, name) };
    case "float4":
      return { kind: "float4", layout: parseLayout(float4Schema, plain, name) };
    default:
      return { kind: "packed-int", layout: parseLayout(packedIntSchema, plain, name) };
  }
}
