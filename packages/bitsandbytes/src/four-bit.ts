/** 4-bit weights, opened: scales as floats, codes unpacked on demand. */
import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  finiteFloats,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
} from "@requant/core/format";
import { checkRows, checkValueCount } from "@requant/core/view";
import { dequantizeNibbleBlocks } from "./kernels/nibble-blocks-twin.ts";
import { type FourBitLayout, partsOf } from "./layout.ts";
import type { NibbleBlocks } from "./nibble-blocks.ts";
import { isSameState, parseQuantState } from "./quant-state.ts";

/** The parts but the codes, as floats. @throws FormatError for a number that is not finite */
export function fourBitParameters(
  layout: FourBitLayout,
  bytes: PartBytes,
  place: ErrorPlace = {},
): Omit<NibbleBlocks, "codes"> {
  const { kind, blockSize, dtype, nestedBlockSize } = layout;
  const part = (suffix: string): Uint8Array =>
    partBytes(bytes, findPart(partsOf(layout), suffix, place), place);
  const floats = (suffix: string): Float32Array =>
    finiteFloats(readFloats(part(suffix), "F32"), suffix, place);
  const state = parseQuantState(part(`weight.quant_state.bitsandbytes__${kind}`), place);
  if (!isSameState(state, layout)) {
    throw new FormatError(
      `The weight's quant_state says ${state.kind} [${state.rows}, ${state.columns}] in blocks of ${state.blockSize}, which is not the layout [${layout.rows}, ${layout.columns}] in blocks of ${blockSize} that was read before.`,
      place,
    );
  }
  const levels = floats("weight.quant_map");
  if (nestedBlockSize === 0) return { levels, scales: floats("weight.absmax"), blockSize, dtype };
  const scales = nestedScales(
    {
      codes: part("weight.absmax"),
      map: floats("weight.nested_quant_map"),
      absmax: floats("weight.nested_absmax"),
      offset: state.nestedOffset,
    },
    nestedBlockSize,
  );
  return { levels, scales: finiteFloats(scales, "weight.absmax", place), blockSize, dtype };
}

/** Scales that are quantized too. */
export interface NestedScales {
  readonly codes: Uint8Array;
  readonly map: Float32Array;
  /** One for each block of codes. */
  readonly absmax: Float32Array;
  /** Added to every scale; an f32 number. */
  readonly offset: number;
}

function nestedScales({ codes, map, absmax, offset }: NestedScales, blockSize: number): Float32Array {
  return Float32Array.from(codes, (code, index) =>
    Math.fround(Math.fround(map[code]! * absmax[Math.floor(index / blockSize)]!) + offset),
  );
}

/** Opens a weight. @throws FormatError as `fourBitParameters` does */
export function openFourBit(layout: FourBitLayout, bytes: PartBytes, place: ErrorPlace = {}): RowWeight {
  const { rows, columns } = layout;
  const codes = partBytes(bytes, findPart(partsOf(layout), "weight", place), place);
  const blocks: NibbleBlocks = { ...fourBitParameters(layout, bytes, place), codes };
  return {
    rows,
    columns,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      dequantizeNibbleBlocks(blocks, rowStart * columns, rowEnd * columns, out);
    },
  };
}
