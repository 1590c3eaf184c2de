/**
 * FP8 on its way between layouts: codes and scales are moved. Oracles: the stored bytes themselves, and directories of the
 * golden set.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BF16, F16, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { floatDirectory } from "./packed-models.ts";

let outputs = 0;

async function convert(source: Model, target: string, exact: boolean): Promise<{ plan: Plan; model: Model }> {
  const store = memoryStore({ name: `${++outputs} ${target}` });
  const plan = await planConversion(source, parseTarget(target), { exact });
  await runPlan(plan, source, store);
  return { plan, model: await openModel({ store }) };
}

/** Codes and scales of a weight. */
async function partsOf(model: Model, name: string): Promise<{ codes: Uint8Array; scales: Float32Array }> {
  const parts = model.tensor(name).linear?.parts ?? [];
  const read = async (suffix: RegExp) => {
    const part = parts.find((one) => suffix.test(one.suffix));
    if (part === undefined) throw new Error(`${name} has no ${suffix}.`);
    return { part, bytes: (await model.readBytes(part.name, 0, part.byteLength)).slice() };
  };
  const { bytes: codes } = await read(/^weight$/);
  const { part, bytes } = await read(/scale/);
  return { codes, scales: floatsOf(part.encoding, bytes) };
}

function floatsOf(encoding: string, bytes: Uint8Array): Float32Array {
  if (encoding === "F32") return new Float32Array(bytes.buffer);
  // powers of two, by their exponent
  if (encoding === "F8_E8M0") return Float32Array.from(bytes, (byte) => 2 ** (byte - 127));
  const out = new Float32Array(bytes.length / 2);
  (encoding === "F16" ? F16 : BF16).dequantize(bytes, out);
  return out;
}

async function expectMoved(source: Model, { plan, model }: { plan: Plan; model: Model }): Promise<void> {
  const packed = source.tensors.filter(({ linear }) => linear !== undefined);
  expect(packed.length).toBeGreaterThan(0);
  for (const { name } of packed) {
    const tensor = plan.tensors.find((one) => one.name === name);
    expect([name, tensor?.fidelity, tensor?.way.kind, tensor?.reason]).toEqual([
      name,
      "exact",
      "view",
      undefined,
    ]);
    const [theirs, own] = [await partsOf(source, name), await partsOf(model, name)];
    expect(Buffer.compare(own.codes, theirs.codes), name).toBe(0);
    expect(own.scales, name).toEqual(theirs.scales);
  }
  expect(await verifyModels(source, model)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
}

describe("block FP8", () => {
  it.each([
    ["fp8:block-128", "compressed-tensors:fp8-block"],
    ["fp8:block-128-ue8m0", "compressed-tensors:fp8-block"],
    ["compressed-tensors:fp8-block", "fp8:block-128"],
  ])("%s to %s", async (first, second) => {
    const floats = await openModel({ store: await floatDirectory("BF16") });
    const source = (await convert(floats, first, false)).model;
    const moved = await convert(source, second, true);
    await expectMoved(source, moved);
    // and back to the same bytes, or the same scales in another type
    await expectMoved(moved.model, await convert(moved.model, first.replace("-ue8m0", ""), true));
  });

  it("blocks of 128 become blocks of 64 and 32 rows, and not the other way round", async () => {
    const floats = await openModel({ store: await floatDirectory("BF16") });
    const wide = (await convert(floats, "fp8:block-128", false)).model;
    const narrow = await convert(wide, "fp8:block-64", true);
    expect(await verifyModels(wide, narrow.model)).toMatchObject({ equal: true });
    const own = (await convert(floats, "fp8:block-64", false)).model;
    await expect(convert(own, "fp8:block-128", true)).rejects.toMatchObject({ code: "CONVERSION" });
  });

  it("a scale for each row stays one, and does not become one for a block", async () => {
    const floats = await openModel({ store: await floatDirectory("BF16") });
    const rows = (await convert(floats, "compressed-tensors:fp8-channel", false)).model;
    await expect(convert(rows, "compressed-tensors:fp8-block", true)).rejects.toMatchObject({
      code: "CONVERSION",
    });
  });
});

const ragged = join(process.env["REQUANT_GOLDEN"] ?? "", "neighbours", "models", "fp8-block128-ragged");
describe.skipIf(!existsSync(ragged))("FP8 with short blocks (skipped: REQUANT_GOLDEN is not set)", () => {
  it("compressed-tensors:fp8-block has its codes and scales", async () => {
    const source = await openModel({ store: directoryStore(ragged) });
    await expectMoved(source, await convert(source, "compressed-tensors:fp8-block", true));
    await source.close();
  });
});
