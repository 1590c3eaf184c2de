/**
 * docs/conversions.md, computed: every cell converts a layer of the source variant to the target, reads it back with the
 * target's own decoder and compares f32 values. `UPDATE_DOCS=1` writes the page; without it the page must be up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { weightTargetByName } from "../../src/plan/target-formats.ts";
import { columns, rows } from "../matrix/layer.ts";
import { layerTables } from "../matrix/layer-tables.ts";
import { directoryTables } from "../matrix/whole-models.ts";

const page = new URL("../../../../docs/conversions.md", import.meta.url);

/** EXL2 tries every mix of widths on each weight; weights of random codes and one shape need that only once. */
function measureMixesOnce(): void {
  const { sampling } = weightTargetByName("exl2");
  if (sampling === undefined) throw new Error("EXL2 samples no rows");
  const { costs } = sampling;
  const known = new Map<string, readonly number[]>();
  vi.spyOn(sampling, "costs").mockImplementation((sample, rows, columns) => {
    const shape = `${rows} ${columns}`;
    const found = known.get(shape) ?? costs(sample, rows, columns);
    known.set(shape, found);
    return found;
  });
}

test("docs/conversions.md says what the codecs do, and whole conversions", async () => {
  measureMixesOnce();
  const text = `# What converts without changing a weight

Quantized layouts store \`level × scale + offset\`: integers around a zero point, or the levels of a table, and perhaps an offset of their own (docs/adr/0002-the-level-view.md). Where the target can hold the same numbers, Requant moves them and no weight changes. The tables are computed by \`packages/convert/test/run/conversion-matrix.test.ts\`: each cell converts a layer of ${rows} × ${columns} weights, decodes it with the target's own decoder, and compares f32 bits.

- **exact**: other bytes, the same values.
- **exact in f16**: EXL2 rounds each weight to f16 after its multiplication. GPTQ's runtimes do the same, so they compute the same f16 weights; the f32 product before rounding differs.
- **rounded**: the same codes; scales, or scale × zero point, are rounded to f16 (within 2⁻¹¹ of themselves).
- **exact, scale beside**: ModelOpt's NVFP4 has one more scale for the whole weight. GGUF stores it in a tensor of its own, \`….scale\`, beside the same codes and block scales.
- **–**: the codes or groups do not fit, or the format's arithmetic is not level × scale + offset. The weights can only be quantized anew, and the report measures what that costs.

F32 holds every source exactly. Scales are f16 where a row does not say otherwise; a file with bf16 or f32 scales is exact where its scales happen to be f16 values, else rounded.

${await layerTables()}

## What the tables show

GGUF sources are what ggml makes of those weights. MXFP4 and IQ4_NL are integers in finer steps (−12 to 12, −127 to 113) and fit where those and their scales do. The minimums of Q4_1 and Q5_1 stay as they are in each other where the codes fit; in other layouts, and those of Q2_K, Q4_K and Q5_K, where they are whole multiples of the scale, which ggml's own quantizer hardly ever gives. The same holds for the biases of MLX, which are exact in Q4_1 and Q5_1 where scales and biases are f16 numbers.

The codes of FP8 and NF4 are tables of floats that no block type has, so their weights stay in floats: BF16 is exact for FP8 whose scales are powers of two, and for what a tool has rounded to BF16. LLM.int8 multiplies each code twice and HQQ rounds twice, so no scale and offset give their values. MXFP4 has the same codes and scales in every container, and so has the NVFP4 of ModelOpt, MLX and GGUF. The NVFP4 of compressed-tensors divides by a scale of the whole weight. GGUF multiplies by the reciprocal, which llama.cpp's converter stores beside the same codes; that changes the last bits of the values, so such weights are rounded in the tables of whole models. BitNet's ternary weights need a scale that f16 holds.

Numbers behind a name are columns per group; "column" is one group per row. Groups that are multiples of 32 columns fit 32-column blocks, multiples of 256 (or one group per row of a multiple of 256) fit K-quants, whose sub-block scales are set to 1 and minimums to the zero point.

Act-order (\`desc_act\`) spreads the columns of a group over the row. Block formats share one scale per 32 or 256 neighbours, so they cannot hold it; formats that store a group per column (\`g_idx\`) can. With one group per row act-order leaves no trace, and everything fits.

Zero points: GPTQ v1 stores them minus one and cannot hold 0, so Requant writes \`gptq_v2\` where one occurs. AWQ holds 0 to 15.

GGUF's permutation of q and k rows moves whole rows, packed or not: it never stands in the way.

## Whole models

The same for directories and files, as \`requant convert\` carries them out: a Llama layer of random codes, all scales and zero points different, is planned, converted, opened again and verified weight by weight in f32. A cell says what becomes of the linear weights; where they change, the number is the largest RMSE of one of them over its RMS. Whatever is neither copy nor exact is refused with \`--exact\`, and nothing is written. Random codes have no large and small weights, so the errors of new codes are larger here than in a trained model. EXL2's mixes of widths are measured once for each shape. \`gguf:auto\` names the types that it chose; so does every GGUF target that keeps a type other than the one that was asked for, as llama.cpp's converter does with NVFP4. "rounded, 0": the plan could not promise that the values fit, and the result shows that they did.

${await directoryTables()}

\`gguf:auto\` takes the smallest type that holds the values, which for act-order is F32 and for EXL2 F16. EXL2 and act-order keep their own groups in GPTQ and compressed-tensors, whatever group size was asked for: g_idx says which group each column is in.
`;
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
}, 300_000);
