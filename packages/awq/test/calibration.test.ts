/** AWQ's searches against AutoAWQ's own, run on the activations of a trained model (golden set, kjv/calibration). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dividedInputs, type InputStatistics, outputError } from "@requant/core/solve";
import { describe, expect, it } from "vitest";
import { roundGroup } from "../src/calibrate/round-groups.ts";
import { clippedWeights, searchClips } from "../src/calibrate/search-clips.ts";
import { RATIOS, searchScales } from "../src/calibrate/search-scales.ts";

const golden = process.env["REQUANT_GOLDEN"];
const folder = join(golden ?? "", "kjv");
const FILE = "awq_search_down_";

interface SearchCase {
  readonly file: string;
  readonly group_size: number;
  readonly duo_scaling: boolean;
  readonly grid_losses: readonly number[];
  readonly best_ratio: number;
  readonly mse_scaled: number;
  readonly mse_scaled_clipped: number;
}

function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** A tensor of a safetensors file as f32. */
function tensorOf(path: string, name: string): Float32Array {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const { dtype, data_offsets } = header[name]!;
  const [start, end] = data_offsets.map((offset) => 8 + length + offset);
  const data = new DataView(Uint8Array.from(bytes.subarray(start, end)).buffer);
  if (dtype === "F32") return new Float32Array(data.buffer);
  const words = new Uint16Array(data.buffer);
  if (dtype === "F16") return Float32Array.from(words, half);
  return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
}

function statisticsOf(inputs: Float32Array, columns: number, every: number): InputStatistics {
  const moments = new Float64Array(columns * columns);
  const meanAbs = new Float64Array(columns);
  const step = every * columns;
  const tokens = Math.ceil(inputs.length / step);
  for (let from = 0; from < inputs.length; from += step) {
    for (let i = 0; i < columns; i++) {
      const own = inputs[from + i]!;
      meanAbs[i]! += Math.abs(own) / tokens;
      for (let j = 0; j < columns; j++) moments[i * columns + j]! += (own * inputs[from + j]!) / tokens;
    }
  }
  return { columns, tokens, moments: Float32Array.from(moments), meanAbs: Float32Array.from(meanAbs) };
}

function rounded(values: Float32Array, groupSize: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += groupSize)
    roundGroup(values, at, at + groupSize, false, out, at);
  return out;
}

describe.skipIf(golden === undefined)("searches (skipped: REQUANT_GOLDEN is not set)", () => {
  const [rows, columns] = [256, 512];
  const cases =
    golden === undefined
      ? []
      : (
          JSON.parse(readFileSync(join(folder, "calibration/manifest.json"), "utf8")) as {
            cases: SearchCase[];
          }
        ).cases.filter(({ file }) => file.startsWith(FILE));
  let known: { values: Float32Array; all: InputStatistics; sampled: InputStatistics } | undefined;
  const layer = () => {
    if (known !== undefined) return known;
    const inputs = tensorOf(join(folder, "calibration/activations.safetensors"), "down.x_f16");
    known = {
      values: tensorOf(join(folder, "hf/model.safetensors"), "model.layers.1.mlp.down_proj.weight"),
      all: statisticsOf(inputs, columns, 1),
      // AutoAWQ takes about 512 of the tokens for clips
      sampled: statisticsOf(inputs, columns, 4),
    };
    return known;
  };

  it("are three", () => expect(cases).toHaveLength(3));

  it.each(cases)("of $file: AutoAWQ's ratio, losses and scales", (golden) => {
    const { values, all } = layer();
    const search = { groupSize: golden.group_size, duo: golden.duo_scaling };
    const found = searchScales([{ values, rows, statistics: all }], search);
    expect(found.ratio).toBe(golden.best_ratio);
    let worst = 0;
    for (const [step] of RATIOS.entries())
      worst = Math.max(worst, Math.abs(found.losses[step]! / golden.grid_losses[step]! - 1));
    let scale = 0;
    const scales = tensorOf(join(folder, "calibration", golden.file), "best_scales_f32");
    for (let i = 0; i < columns; i++) scale = Math.max(scale, Math.abs(found.scales[i]! / scales[i]! - 1));
    expect(worst).toBeLessThan(1e-6);
    expect(scale).toBeLessThan(1e-6);
  });

  it.each(cases)("of $file: AutoAWQ's clips and error", (golden) => {
    const { values, all, sampled } = layer();
    const path = join(folder, "calibration", golden.file);
    const scales = tensorOf(path, "best_scales_f32");
    const scaled = values.map((value, i) => value * scales[i % columns]!);
    const rounding = { groupSize: golden.group_size };
    const statistics = dividedInputs(sampled, scales);
    const clips = searchClips({ values: scaled, rows, statistics }, rounding);
    const expected = tensorOf(path, "clip_max_f32");
    let same = 0;
    for (let i = 0; i < clips.length; i++) if (Math.abs(clips[i]! / expected[i]! - 1) < 1e-5) same++;
    const changed = rounded(clippedWeights(scaled, clips), golden.group_size);
    const error = outputError(scaled, changed, dividedInputs(all, scales));
    expect(same / clips.length).toBe(1);
    expect(Math.abs(error / rows / golden.mse_scaled_clipped - 1)).toBeLessThan(1e-6);
  });
});
