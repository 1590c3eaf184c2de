/** Views as ternary blocks. Oracle: ggml's own rounding of the values (types/tq1_0.ts, tq2_0.ts), which vectors of ggml prove. */
import { sequentialGroups, viewFacts } from "@requant/core/view";
import { TQ1_0, TQ2_0 } from "@requant/gguf";
import { describe, expect, test } from "vitest";
import {
  blockRowsByteLength,
  blocksToView,
  typeMisfit,
  viewSourceByName,
  viewToBlocks,
  viewTypeByName,
} from "../src/view/index.ts";

const [rows, columns] = [3, 512];
const codes = Uint8Array.from({ length: rows * columns }, (_, index) => ((index * 2654435761) >>> 9) % 3);
const view = {
  rows,
  columns,
  groupCount: 2,
  groupOfColumn: sequentialGroups(columns, 256),
  codes,
  scales: Float32Array.of(0.5, 0.75, 2, 0.375, 1.25, 0.0625),
  zeros: new Int16Array(2 * rows).fill(1),
  rounding: "none",
} as const;
const values = Float32Array.from(codes, (code, index) => (code - 1) * view.scales[Math.floor(index / 256)]!);

describe.each([TQ1_0, TQ2_0])("$name", (codec) => {
  test("has the bytes that ggml makes of the values, and gives the view back", () => {
    const type = viewTypeByName(codec.name);
    expect(typeMisfit(viewFacts(view, 2), type)).toBeUndefined();
    const blocks = new Uint8Array(blockRowsByteLength(type, rows, columns));
    viewToBlocks(type, view, blocks);
    const expected = new Uint8Array(blocks.length);
    codec.quantize?.(values, columns, expected);
    expect(blocks).toEqual(expected);
    const source = viewSourceByName(codec.name);
    expect(source === undefined ? undefined : blocksToView(source, blocks, rows, columns)).toEqual(view);
  });

  test("refuses a fourth code, by name", () => {
    const misfit = typeMisfit(viewFacts(view, 3), viewTypeByName(codec.name));
    expect(misfit?.reason).toMatch(/reach -1…2, and TQ\d_0 holds -1…1/);
  });
});
