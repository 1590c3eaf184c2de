/** Packs weights of each storage kind, from floats and from views. */
import { UsageError } from "@requant/core";
import type { FloatPacking, PlainLayout, WeightEncoder } from "@requant/core/format";
import { floatToE4m3, floatToE8m0 } from "@requant/core/numeric";
import { divisorOf, fittedTable, scalesOfBlocks, splitTensorScale } from "@requant/core/view";
import { float4Codec, float4Requirement, partOf, writeGlobal } from "./float4.ts";
import { compressedFloat8Codec, float8Requirement, writeFloat8 } from "./float8.ts";
import { int8Codec } from "./int8.ts";
import type { CompressedTensorsLayout } from "./layout.ts";
import { type AnyLayout, layoutOf } from "./layout-schemas.ts";
import { compressedTensorsCodec } from "./packed-int.ts";
import { packFloat8, quantizeInt8, searchInt8 } from "./quantize-byte.ts";
import { packMxfp4, packNvfp4, writeNibbles } from "./quantize-float4.ts";
import { quantizeCompressedTensors } from "./quantize-int.ts";

type Of<Kind extends AnyLayout["kind"]> = Extract<AnyLayout, { readonly kind: Kind }>["layout"];

/** @throws UsageError for a layout of a plan that was edited by hand */
export function encoderOf(plain: PlainLayout): WeightEncoder {
  const found = layoutOf(plain);
  switch (found.kind) {
    case "packed-int":
      return packedIntEncoder(found.layout);
    case "int8":
      return int8Encoder(found.layout);
    case "float8":
      return float8Encoder(found.layout);
    case "float4":
      return float4Encoder(found.layout);
  }
}

function packedIntEncoder(layout: CompressedTensorsLayout): WeightEncoder {
  const codec = compressedTensorsCodec;
  return {
    parts: codec.parts(layout),
    requirement: codec.requirement(layout),
    rowMultiple: codec.rowMultiple(layout),
    floats: {
      kind: "view",
      quantize: (values, rows, guide) => quantizeCompressedTensors(layout, values, rows, guide?.importance),
      usesImportance: true,
      storesViewExactly: true,
    },
    fromView: (view, rowStart, bytes) => codec.fromView(layout, view, rowStart, bytes),
    open: (bytes) => codec.open(layout, bytes),
  };
}

function int8Encoder(layout: Of<"int8">): WeightEncoder {
  return {
    parts: int8Codec.parts(layout),
    requirement: int8Codec.requirement(layout),
    rowMultiple: int8Codec.rowMultiple(layout),
    floats: {
      kind: "view",
      quantize: (values, rows, guide) =>
        guide?.importance === undefined
          ? quantizeInt8(layout, layout, values, rows)
          : searchInt8(layout, values, rows, guide.importance),
      usesImportance: true,
      storesViewExactly: true,
    },
    fromView: (view, rowStart, bytes) => int8Codec.fromView(layout, view, rowStart, bytes),
    open: (bytes) => int8Codec.open(layout, bytes),
  };
}

function float8Encoder(layout: Of<"float8">): WeightEncoder {
  const { blockRows, scale } = layout;
  const pack: FloatPacking & { kind: "rows" } = {
    kind: "rows",
    pack(values, rowStart, bytes) {
      if (scale === "E8M0")
        throw new UsageError("Floats are not packed as mxfp8; fp8-channel is near to it.");
      packFloat8({ ...layout, scale }, values, rowStart, bytes);
    },
  };
  return {
    parts: compressedFloat8Codec.parts(layout),
    requirement: float8Requirement(layout),
    rowMultiple: blockRows,
    floats: pack,
    fromView(view, rowStart, bytes) {
      const fitted = fittedTable(view, float8Requirement(layout));
      const stored = scalesOfBlocks(fitted, blockRows, rowStart);
      const isByte = scale === "E8M0";
      writeFloat8(layout, fitted.codes, isByte ? Uint8Array.from(stored, e8m0Of) : stored, rowStart, bytes);
    },
    open: (bytes) => compressedFloat8Codec.open(layout, bytes),
  };
}

function float4Encoder(layout: Of<"float4">): WeightEncoder {
  const requirement = float4Requirement(layout);
  const floats: FloatPacking =
    layout.scale === "E4M3"
      ? { kind: "whole", pack: (values) => packNvfp4(layout, values) }
      : {
          kind: "rows",
          pack: (values, rowStart, bytes) => packMxfp4(layout, values, rowStart, bytes),
        };
  return {
    parts: float4Codec.parts(layout),
    requirement,
    rowMultiple: 1,
    floats,
    fromView(view, rowStart, bytes) {
      const { blocks, tensorScale } =
        layout.global === undefined ? { blocks: view, tensorScale: 1 } : splitTensorScale(view);
      const global = divisorOf(tensorScale);
      if (global === undefined) {
        throw new UsageError(
          `No global scale divides the scales as the factor ${tensorScale} multiplies them.`,
        );
      }
      const { codes, scales, groupCount } = fittedTable(blocks, requirement);
      const stored = partOf(layout, "weight_scale", bytes);
      stored.set(
        Uint8Array.from(scales, layout.scale === "E8M0" ? e8m0Of : floatToE4m3),
        rowStart * groupCount,
      );
      // the scales are stored as they are
      writeGlobal(layout, global, bytes);
      writeNibbles(layout, codes, rowStart, bytes);
    },
    open: (bytes) => float4Codec.open(layout, bytes),
  };
}

/** The fit has checked that there is one. */
function e8m0Of(scale: number): number {
  return floatToE8m0(scale) ?? 0;
}
