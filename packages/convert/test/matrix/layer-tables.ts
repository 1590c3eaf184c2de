/** The first tables of docs/conversions.md: each cell takes a layer to a format and compares what it reads there. */
import { BF16, type BlockCodec, F16 } from "@requant/core";
import { fitView, roundingAllowed, viewMisfit } from "@requant/core/view";
import { exactTypes, viewTypes } from "@requant/gguf";
import { expect } from "vitest";
import { columns, type Source, type Stored } from "./layer.ts";
import { layerSources } from "./layer-sources.ts";
import { block, layerTargets, type Target } from "./layer-targets.ts";

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.map((value) => value + 0).buffer);

/** Bit for bit, but for the sign of 0. */
function expectSame(values: Float32Array, expected: Float32Array): void {
  const [own, wanted] = [bits(values), bits(expected)];
  expect(own.length).toBe(wanted.length);
  // the place of the first that differs; one assertion for each value would take minutes
  expect(own.findIndex((value, i) => value !== wanted[i])).toBe(-1);
}

function rounded(values: Float32Array, float: BlockCodec): Float32Array {
  const bytes = new Uint8Array(2 * values.length);
  float.quantize?.(values, columns, bytes);
  const out = new Float32Array(values.length);
  float.dequantize(bytes, out);
  return out;
}

const toHalf = (values: Float32Array): Float32Array => rounded(values, F16);

function cell(source: Source, target: Target): string {
  const requirement = target.requirement(source);
  // a plan knows facts; an encoder sees the codes, and may find room that the facts do not promise
  const promised = viewMisfit(source.facts, requirement) === undefined;
  const strict = fitView(source.view, requirement).misfit === undefined;
  if (promised) expect(strict).toBe(true);
  if (promised && source.facts.storedOffsets === "integer") {
    const values = target.through(source.view, source);
    if (source.view.rounding === "none") {
      expectSame(values, source.values);
      return "exact";
    }
    expectSame(toHalf(values), source.values);
    return "exact in f16";
  }
  if (viewMisfit(source.facts, roundingAllowed(requirement)) === undefined) {
    const values = target.through(source.view, source);
    let largest = 0;
    let scale = 0;
    for (const value of source.view.scales) scale = Math.max(scale, Math.abs(value));
    values.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - source.values[i]!));
    });
    // an f16 is within 2^-11 of what it rounds; offsets reach 16 steps, products 128
    expect(largest).toBeLessThanOrEqual((scale * 128) / 2048);
    return "rounded";
  }
  return "–";
}

/** Plans look at the codes of blocks, and here of all that is no integer around a zero point. */
function levelCell(source: Stored, target: Target): string {
  const requirement = target.requirement(source);
  if (source.view !== undefined && fitView(source.view, requirement).view !== undefined) {
    expectSame(target.through(source.view, source), source.values);
    return "exact";
  }
  const { unscaled } = source;
  if (target.throughScaled === undefined || unscaled === undefined) return "–";
  if (fitView(unscaled.view, requirement).view === undefined) return "–";
  expectSame(target.throughScaled(unscaled.view, unscaled.scale), source.values);
  return "exact, scale beside";
}

const floats = [BF16, F16];

/** Whether a float type holds every value; bit for bit. */
function floatCell({ values, view }: Stored, float: BlockCodec): string {
  const exact = Buffer.compare(Buffer.from(rounded(values, float).buffer), Buffer.from(values.buffer)) === 0;
  // EXL2's values are f16 values
  if (view?.rounding === "f16" && float === F16) expect(exact).toBe(true);
  return exact ? "exact" : "rounded";
}

function smallestExact(source: Source | Stored): string {
  if ("facts" in source) {
    const [type] = source.facts.storedOffsets === "integer" ? exactTypes(source.facts) : [];
    return type?.name ?? "–";
  }
  const found = viewTypes.find(({ name }) => levelCell(source, block(name)) !== "–");
  return found?.name ?? "–";
}

async function row(name: string, make: () => Source | Stored | Promise<Stored>): Promise<string> {
  const source = await make();
  const cells = Object.values(layerTargets).map((target) =>
    "facts" in source ? cell(source, target) : levelCell(source, target),
  );
  const half = floats.map((float) => floatCell(source, float));
  return `| ${name} | ${smallestExact(source)} | ${[...cells, ...half].join(" | ")} |`;
}

/** One table for each group of formats. */
export async function layerTables(): Promise<string> {
  const names = [...Object.keys(layerTargets), ...floats.map(({ name }) => name)];
  const tables: string[] = [];
  for (const [group, sources] of Object.entries(layerSources)) {
    const lines = [
      `### From ${group}`,
      "",
      `| from \\ to | smallest exact GGUF type | ${names.join(" | ")} |`,
      `|${"---|".repeat(names.length + 2)}`,
    ];
    for (const [name, make] of Object.entries(sources)) lines.push(await row(name, make));
    tables.push(lines.join("\n"));
  }
  return tables.join("\n\n");
}
