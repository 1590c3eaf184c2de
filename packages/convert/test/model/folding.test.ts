/**
 * Models with scales folded in. Oracle: norm × linear and linear × linear, multiplied out from the tensors of the model
 * itself; scales are random, so a scale in a wrong place shows.
 */
import { elementCount, memoryStore, rowCount } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import type { InputStatistics } from "@requant/core/solve";
import { type Folding, foldingsOf } from "@requant/models";
import { describe, expect, it } from "vitest";
import { archModels } from "../../../../fixtures/arch-models.ts";
import {
  foldedModel,
  foldedStatistics,
  openModel,
  readFolded,
  searchFolding,
  writeFolded,
} from "../../src/index.ts";
import { type GgufView, ggufView } from "../../src/model/folding/gguf-view.ts";
import type { Model } from "../../src/model/model.ts";
import type { StatisticsByMatrix } from "../../src/model/statistics-file.ts";

const kjv = new URL("../../../../fixtures/kjv/hf", import.meta.url).pathname;

/** Statistics that say only that there are some. */
function emptyStatistics(view: GgufView): StatisticsByMatrix {
  const entries = new Map(
    view.plans
      .filter(({ shape }) => shape.length >= 2)
      .map(({ name, shape }) => [
        name,
        { columns: shape.at(-1) ?? 0, tokens: new Array<number>(shape.length === 3 ? shape[0]! : 1).fill(1) },
      ]),
  );
  const read = async (name: string): Promise<InputStatistics> => {
    const columns = entries.get(name)?.columns ?? 0;
    const moments = new Float32Array(columns * columns).fill(6);
    return { columns, tokens: 1, moments, meanAbs: new Float32Array(columns).fill(2) };
  };
  return { entries, shared: new Map(), read };
}

/** Between a half and two, the same for columns that share one. */
function randomScales(): (columns: number, shared: Int32Array | undefined) => Float32Array {
  let seed = 7;
  const next = (): number => {
    seed = (seed * 48271) % 2147483647;
    return 0.5 + (1.5 * seed) / 2147483647;
  };
  return (columns, shared) => {
    const own = Float32Array.from({ length: columns }, next);
    return shared === undefined ? own : Float32Array.from(shared, (index) => own[index]!);
  };
}

async function folded(model: Model, view: GgufView, isQuantized?: (name: string) => boolean) {
  const scales = randomScales();
  return searchFolding(model, {
    statistics: emptyStatistics(view),
    isQuantized,
    scalesOf: ([layer], shared) => scales(layer?.statistics.columns ?? 0, shared),
  });
}

async function valuesOf(view: GgufView, name: string): Promise<Float32Array> {
  const shape = view.plans.find((plan) => plan.name === name)?.shape ?? [];
  const out = new Float32Array(elementCount(shape));
  await view.open(name).readRows(0, rowCount(shape), out);
  return out;
}

/** For each reader and column, what the reader multiplies the divided number by: norm × weight, or row × weight. */
async function products(view: GgufView, { readers, columns, divided, matrices, sharedColumn }: Folding) {
  const out: number[] = [];
  for (const reader of readers) {
    const weight = await valuesOf(view, reader);
    const rows = weight.length / columns / matrices;
    const tensors =
      divided.kind === "norm" ? divided.tensors : [divided.tensor, ...(divided.bias ? [divided.bias] : [])];
    for (const tensor of tensors) {
      const own = await valuesOf(view, tensor);
      const isMatrix = divided.kind === "rows" && tensor === divided.tensor;
      const length = isMatrix ? own.length / matrices / (divided.start + divided.count) : 1;
      for (let matrix = 0; matrix < matrices; matrix++) {
        for (let column = 0; column < columns; column++) {
          const first = divided.kind === "norm" ? column : divided.start + (sharedColumn?.[column] ?? column);
          const perMatrix = divided.kind === "norm" ? columns : divided.start + divided.count;
          const at = (matrix * perMatrix + first) * length;
          // first and last row and number stand for all of them
          for (const row of [0, rows - 1]) {
            const factor = weight[(matrix * rows + row) * columns + column]!;
            out.push(factor * own[at]!, factor * own[at + length - 1]!);
          }
        }
      }
    }
  }
  return out;
}

describe.each([...archModels.map(({ path }) => path), kjv])("%s", (path) => {
  // one kind after the other: rows that are divided belong to weights whose columns are multiplied, where norms are divided
  it.each(["norm", "rows"] as const)("computes the same with %s divided", async (kind) => {
    const model = await openModel({ store: directoryStore(path) });
    const view = await ggufView(model);
    const foldings = foldingsOf(view.metadata, view.plans).foldings.filter(
      ({ divided }) => divided.kind === kind,
    );
    const readers = new Set(foldings.flatMap((folding) => folding.readers));
    const { folded: found } = await folded(model, view, (name) => readers.has(name));
    const after = await ggufView(foldedModel(model, found));
    const touched = new Set(readers);
    for (const folding of foldings) {
      const [before, now] = [await products(view, folding), await products(after, folding)];
      expect(now).toHaveLength(before.length);
      let worst = 0;
      for (const [i, value] of before.entries())
        worst = Math.max(worst, Math.abs(now[i]! - value) / (Math.abs(value) + 1e-9));
      expect(worst).toBeLessThan(2e-6);
      const { divided } = folding;
      for (const name of divided.kind === "norm" ? divided.tensors : [divided.tensor, divided.bias ?? ""])
        touched.add(name);
      const reader = folding.readers[0]!;
      expect(await valuesOf(after, reader)).not.toEqual(await valuesOf(view, reader));
    }
    for (const { name } of view.plans)
      if (!touched.has(name)) expect(await valuesOf(after, name)).toEqual(await valuesOf(view, name));
    await model.close();
  });
});

describe("a folded model", () => {
  it("keeps the type of its norms, and has f32 weights whose bytes are its rows", async () => {
    const model = await openModel({ store: directoryStore(kjv) });
    const { folded: found } = await folded(model, await ggufView(model));
    const changed = foldedModel(model, found);
    expect(changed.tensor("model.layers.0.input_layernorm.weight").encoding).toBe("BF16");
    const weight = changed.tensor("model.layers.0.mlp.up_proj.weight");
    const [rows, columns] = [weight.shape[0]!, weight.shape[1]!];
    expect(weight).toMatchObject({ encoding: "F32", byteLength: 4 * rows * columns });
    const values = new Float32Array(2 * columns);
    await changed.weight(weight.name).readRows(3, 5, values);
    const bytes = await changed.readBytes(weight.name, 4 * 3 * columns, 4 * 5 * columns);
    expect(new Float32Array(Uint8Array.from(bytes).buffer)).toEqual(values);
    const part = new Uint8Array(10);
    await changed.readInto(weight.name, 4 * 3 * columns + 6, part);
    expect(part).toEqual(bytes.slice(6, 16));
    expect((await changed.weight(weight.name).readView(0, 1)).misfit?.reason).toMatch(/scales/);
    const other = "model.embed_tokens.weight";
    expect(await changed.readBytes(other, 0, 64)).toEqual(await model.readBytes(other, 0, 64));
    await model.close();
  });

  it("has no rows divided where they may not be", async () => {
    const model = await openModel({ store: directoryStore(kjv) });
    const view = await ggufView(model);
    const scales = randomScales();
    const { folded: found } = await searchFolding(model, {
      statistics: emptyStatistics(view),
      scalesOf: ([layer], shared) => scales(layer?.statistics.columns ?? 0, shared),
      isDivisible: (name) => name !== "blk.1.ffn_up.weight",
    });
    expect(found.inputs.has("blk.0.ffn_down.weight")).toBe(true);
    expect(found.inputs.has("blk.1.ffn_down.weight")).toBe(false);
    expect(found.tensors.get("model.layers.1.mlp.up_proj.weight")).not.toHaveProperty("rows.length");
    await model.close();
  });

  it("is the same after its scales were written and read", async () => {
    const model = await openModel({ store: directoryStore(kjv) });
    const { folded: found } = await folded(model, await ggufView(model));
    const store = memoryStore();
    const sink = await store.create("scales.safetensors");
    await writeFolded(sink, found);
    await sink.close();
    const read = await readFolded({ store, file: "scales.safetensors" });
    expect(read.inputs).toEqual(found.inputs);
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...found.tensors].sort()));
    await model.close();
  });

  it("has inputs that are divided", async () => {
    const model = await openModel({ store: directoryStore(kjv) });
    const view = await ggufView(model);
    const { folded: found } = await folded(model, view);
    const statistics = foldedStatistics(emptyStatistics(view), found);
    const name = "blk.1.attn_q.weight";
    const scales = found.inputs.get(name)!;
    const { meanAbs, moments, columns } = await statistics.read(name, 0);
    expect(meanAbs).toEqual(scales.map((scale) => 2 / scale));
    expect(moments[columns + 2]).toBe(Math.fround(6 / (scales[1]! * scales[2]!)));
    expect((await statistics.read("output.weight", 0)).meanAbs[0]).toBe(2);
    await model.close();
  });
});

it("a file with something else is refused", async () => {
  const store = directoryStore(kjv);
  await expect(readFolded({ store, file: "model.safetensors" })).rejects.toThrow(
    /does not hold folded scales/,
  );
});
