/** Pictures of models and tensors in the built page: their figures are those of the stored bytes, decoded by hand. */
import { join, resolve } from "node:path";
import { openModel } from "@requant/convert";
import { elementCount } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MadeModels } from "./made-models.ts";
import { BuiltPage, whyNoPage } from "./page.ts";
import {
  bfloats,
  columnFigures,
  countsOf,
  decodedQ4_0,
  figuresOf,
  nibbleCounts,
  SafetensorsBytes,
} from "./stored-bytes.ts";
import { columnOf, factsIn, numberIn, openFiles, region, rowsOf, showTensor } from "./tensor-page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

/** Figures are shown with four digits. */
function expectFigures(found: Record<string, number>, expected: Readonly<Record<string, number>>): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    const shown = found[name] ?? Number.NaN;
    expect(Math.abs(shown - value), name).toBeLessThanOrEqual(Math.abs(value) * 6e-4);
  }
}

function safetensorsOf(files: readonly string[]): SafetensorsBytes {
  const path = files.find((file) => file.endsWith(".safetensors"));
  if (path === undefined) throw new Error("The model has no file of safetensors.");
  return new SafetensorsBytes(path);
}

describe.skipIf(whyNoPage !== undefined)(`pictures (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let made: MadeModels;
  beforeAll(async () => {
    built = await BuiltPage.start();
    made = new MadeModels();
  });
  afterAll(async () => {
    made.remove();
    await built.close();
  });

  it("show the values and columns of a tensor of floats", async () => {
    const page = await built.open();
    await openFiles(page, [join(kjv, "config.json"), join(kjv, "model.safetensors")]);
    const name = "model.layers.2.mlp.down_proj.weight";
    await showTensor(page, name);
    const { shape, bytes } = new SafetensorsBytes(join(kjv, "model.safetensors")).tensor(name);
    const values = bfloats(bytes);
    const expected = figuresOf(values);
    expectFigures(await factsIn(region(page, "Values")), expected);

    const [smallest, largest] = [expected["smallest"] ?? 0, expected["largest"] ?? 0];
    const bars = new Array<number>(64).fill(0);
    for (const value of values) {
      const bar = Math.min(63, Math.floor(((value - smallest) / (largest - smallest)) * 64));
      bars[bar] = (bars[bar] ?? 0) + 1;
    }
    expect(await columnOf(page, "Histogram of values", 2)).toEqual(bars);

    const columns = shape[1] ?? 0;
    const all = Array.from({ length: columns }, (_, column) => columnFigures(values, columns, column));
    const worst = all.map(([rms], column) => ({ rms, column })).sort((a, b) => b.rms - a.rms)[0];
    const [first] = await rowsOf(page, "Columns with the largest");
    expect(numberIn(first?.[0] ?? "")).toBe(worst?.column);
    const [rms, most] = columnFigures(values, columns, worst?.column ?? 0);
    expect(numberIn(first?.[1] ?? "")).toBeCloseTo(rms, 4);
    expect(numberIn(first?.[3] ?? "")).toBeCloseTo(most, 4);
    await region(page, "Codes").getByText("BF16 does not store the levels").waitFor();
    expect(built.complaints).toEqual([]);
  });

  it("show codes and scales of GGUF blocks, and bits by layer and role", async () => {
    const files = await made.kjv("gguf:q4_0");
    const page = await built.open();
    await openFiles(page, files);
    const name = "blk.1.ffn_down.weight";
    const model = await openModel({ store: directoryStore(resolve(files[0] ?? "", "..")) });
    const { tensors } = model;
    const bytes = await model.readBytes(name, 0, model.tensor(name).byteLength);
    await model.close();

    await page.getByRole("tab", { name: "Pictures" }).click();
    const map = page.getByRole("grid", { name: "Bits per weight" });
    const layer = map
      .getByRole("row")
      .filter({ has: page.getByRole("rowheader", { name: "1", exact: true }) });
    // texts are read at once, however few cells there are
    await layer.getByRole("gridcell").first().waitFor();
    const headers = await map.getByRole("columnheader").allTextContents();
    const cells = await layer.getByRole("gridcell").allTextContents();
    for (const [role, own] of [
      ["attn q", "blk.1.attn_q.weight"],
      ["attn out", "blk.1.attn_output.weight"],
      ["ffn down", name],
    ] as const) {
      const stored = tensors.find((tensor) => tensor.name === own);
      const bits = ((stored?.byteLength ?? 0) * 8) / elementCount(stored?.shape ?? []);
      expect(cells[headers.indexOf(role) - 1]).toBe(bits.toFixed(2));
    }
    await layer
      .getByRole("gridcell")
      .nth(headers.indexOf("ffn down") - 1)
      .click();
    await page.getByRole("heading", { name }).waitFor();

    const decoded = decodedQ4_0(bytes);
    expectFigures(await factsIn(region(page, "Values")), figuresOf(decoded.values));
    expect(await columnOf(page, "Histogram of codes", 1)).toEqual(countsOf(decoded.codes, 16));
    // 512 columns are 16 groups
    const scales = await rowsOf(page, "Scales of each group");
    expect(scales).toHaveLength(16);
    const third = decoded.scales.filter((_, block) => block % 16 === 3).map(Math.abs);
    const sum = third.reduce((total, scale) => total + scale, 0);
    expect(numberIn(scales[3]?.[3] ?? "")).toBeCloseTo(Math.min(...third), 5);
    expect(numberIn(scales[3]?.[4] ?? "")).toBeCloseTo(sum / third.length, 5);
    expect(numberIn(scales[3]?.[5] ?? "")).toBeCloseTo(Math.max(...third), 5);
    await region(page, "Groups of columns").getByText("Groups of 32 consecutive columns.").waitFor();
  });

  it("show the groups of GPTQ columns that act-order scattered", async () => {
    const files = await made.kjv("gptq:4bit-32g-sym");
    const module = "model.layers.1.mlp.down_proj";
    const stored = safetensorsOf(files);
    // column k is in the group that stride 77 through the 512 columns puts it in
    const groups = Int32Array.from({ length: 512 }, (_, column) => Math.floor(((column * 77) % 512) / 32));
    stored.replace(`${module}.g_idx`, groups.buffer);
    const page = await built.open();
    await openFiles(page, files);
    await showTensor(page, `${module}.weight`);
    expect(await columnOf(page, "Histogram of codes", 1)).toEqual(
      nibbleCounts(stored.tensor(`${module}.qweight`).bytes),
    );
    const jumps = groups.filter((group, column) => column > 0 && group !== groups[column - 1]).length;
    await region(page, "Groups of columns")
      .getByText(`The group changes ${String(jumps)} times`)
      .waitFor();
    await page.getByRole("img", { name: "Group of each input column (g_idx)" }).waitFor();
    const rows = await rowsOf(page, "Columns of each group");
    expect(rows).toHaveLength(16);
    const fifth = [...groups].flatMap((group, column) => (group === 5 ? [column] : []));
    expect(rows[5]?.[2]).toBe(`${fifth.slice(0, 12).join(", ")} and 20 more`);
  });

  it("show the mix of bits of an EXL2 weight", async () => {
    const files = await made.kjv("exl2:3.5bpw-h6");
    const module = "model.layers.1.mlp.down_proj";
    const stored = safetensorsOf(files);
    const entries = new Uint16Array(stored.tensor(`${module}.q_groups`).bytes);
    const wordRows = stored.tensor(`${module}.q_weight`).shape[0] ?? 0;
    // (bits, first row of words) for each group; a group of b bits has 32 ÷ b rows in a row of words
    const bands: number[][] = [];
    let start = 0;
    for (let at = 0; at < entries.length; at += 2) {
      const bits = entries[at] ?? 0;
      const rows = (((entries[at + 3] ?? wordRows) - (entries[at + 1] ?? 0)) * 32) / bits;
      const last = bands.at(-1);
      if (last?.[0] === bits) last[2] = start + rows - 1;
      else bands.push([bits, start, start + rows - 1]);
      start += rows;
    }
    expect(bands.length).toBeGreaterThan(1);
    const page = await built.open();
    await openFiles(page, files);
    await showTensor(page, `${module}.weight`);
    const shown = await rowsOf(page, "Bands of stored rows");
    expect(shown.map((row) => row.slice(0, 3).map(numberIn))).toEqual(bands);
    await page.getByRole("img", { name: "Bits of each input column" }).waitFor();
    for (const bits of new Set(bands.map(([width]) => width))) {
      const codes = await columnOf(page, `Histogram of codes of ${String(bits)} bits`, 1);
      const columns = bands.reduce(
        (sum, [width, from = 0, to = 0]) => sum + (width === bits ? to - from + 1 : 0),
        0,
      );
      expect(codes).toHaveLength(2 ** (bits ?? 0));
      expect(codes.reduce((sum, count) => sum + count, 0)).toBe(columns * 256);
    }
  });

  it("show the codes of an AWQ weight", async () => {
    const files = await made.kjv("awq:gemm-32g");
    const module = "model.layers.0.self_attn.q_proj";
    const page = await built.open();
    await openFiles(page, files);
    await showTensor(page, `${module}.weight`);
    const counts = nibbleCounts(safetensorsOf(files).tensor(`${module}.qweight`).bytes);
    expect(await columnOf(page, "Histogram of codes", 1)).toEqual(counts);
    expect(built.complaints).toEqual([]);
  });
});
