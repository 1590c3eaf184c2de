import type { RowWeight } from "../format/linear-codec.ts";
import { checkRows, checkValueCount } from "./integer-view.ts";
import { dequantizeLevels, type Factor, type LevelView, type Offset, type Span } from "./level-view.ts";

/** A level view but for its codes: what the small parts of a weight tell. */
export type LevelParameters = Omit<LevelView, "codes">;

/**
 * An opened weight whose small parts are already in memory as a level view's, and whose codes are unpacked on demand.
 * `unpackCodes` writes the codes of whole rows: `codes[(row − rowStart) × columns + column]`.
 * @example
 * import { levelWeight } from "@requant/core/format";
 * import { E2M1_VALUES } from "@requant/core/numeric";
 *
 * const codes = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);
 * const scale = { values: Float32Array.of(0.5), span: { kind: "tensor" } } as const;
 * const weight = levelWeight(
 *   { rows: 2, columns: 4, levels: E2M1_VALUES, factors: [scale], offset: { kind: "none" }, rounding: "none" },
 *   (rowStart, rowEnd, out) => out.set(codes.subarray(4 * rowStart, 4 * rowEnd)),
 * );
 * weight.dequantize(1, 2, new Float32Array(4)); // 1, 1.5, 2, 3
 */
export function levelWeight(
  parameters: LevelParameters,
  unpackCodes: (rowStart: number, rowEnd: number, codes: Uint8Array) => void,
): RowWeight & {
  /** The exact codes, levels and scales of the rows from `rowStart` up to, but without, `rowEnd`. */
  toLevels(rowStart: number, rowEnd: number): LevelView;
} {
  const { rows, columns } = parameters;
  function toLevels(rowStart: number, rowEnd: number): LevelView {
    checkRows(rowStart, rowEnd, rows);
    const codes = new Uint8Array((rowEnd - rowStart) * columns);
    unpackCodes(rowStart, rowEnd, codes);
    return { ...bandOf(parameters, rowStart, rowEnd), codes };
  }
  return {
    rows,
    columns,
    toLevels,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      dequantizeLevels(toLevels(rowStart, rowEnd), out);
    },
  };
}

/** The numbers of rows `[rowStart, rowEnd)`, in spans that begin at row `rowStart`. */
function bandOf(parameters: LevelParameters, rowStart: number, rowEnd: number): LevelParameters {
  const { columns, factors, offset } = parameters;
  const factorOf = ({ values, span }: Factor): Factor => band(values, span, columns, rowStart, rowEnd);
  return {
    ...parameters,
    rows: rowEnd - rowStart,
    factors: factors.map(factorOf),
    offset: offsetOf(offset, columns, rowStart, rowEnd),
  };
}

function offsetOf(offset: Offset, columns: number, rowStart: number, rowEnd: number): Offset {
  if (offset.kind === "none") return offset;
  if (offset.kind === "bias") {
    return { kind: "bias", ...band(offset.values, offset.span, columns, rowStart, rowEnd) };
  }
  const { values, span } = band(Float32Array.from(offset.values), offset.span, columns, rowStart, rowEnd);
  return { kind: "zeros", values: Int16Array.from(values), span };
}

function band(values: Float32Array, span: Span, columns: number, rowStart: number, rowEnd: number): Factor {
  switch (span.kind) {
    case "tensor":
      return { values, span };
    case "columns":
      return { values: values.subarray(rowStart * span.groupCount, rowEnd * span.groupCount), span };
    case "blocks":
    case "runs":
      return { values: ownValues(values, span, columns, rowStart, rowEnd), span: ownSpan(span, columns) };
  }
}

/** Each row with numbers of its own: blocks of one row, or single weights where a run may begin at any column. */
function ownSpan(span: Span & { readonly kind: "blocks" | "runs" }, columns: number): Span {
  if (span.kind === "blocks") return { kind: "blocks", blockRows: 1, blockColumns: span.blockColumns };
  return { kind: "blocks", blockRows: 1, blockColumns: runWidth(span.length, columns) };
}

/** The largest number of columns that share a run in every row. */
function runWidth(length: number, columns: number): number {
  let [a, b] = [length, columns];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

function ownValues(
  values: Float32Array,
  span: Span & { readonly kind: "blocks" | "runs" },
  columns: number,
  rowStart: number,
  rowEnd: number,
): Float32Array {
  const width = span.kind === "blocks" ? span.blockColumns : runWidth(span.length, columns);
  const groups = Math.ceil(columns / width);
  const out = new Float32Array((rowEnd - rowStart) * groups);
  for (let row = rowStart, to = 0; row < rowEnd; row++) {
    if (span.kind === "blocks") {
      const from = Math.floor(row / span.blockRows) * groups;
      out.set(values.subarray(from, from + groups), to);
      to += groups;
      continue;
    }
    for (let group = 0; group < groups; group++, to++) {
      out[to] = values[Math.floor((row * columns + group * width) / span.length)]!;
    }
  }
  return out;
}
