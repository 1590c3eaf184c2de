/** What a run for several targets reads of its source, and the memory that it needs for a band. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore, type ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  type ModelLocation,
  openModel,
  type Plan,
  parseTargets,
  planConversions,
  runPlan,
  sharedBytes,
} from "../../src/index.ts";
import { layoutFile } from "../../src/plan/files/layout.ts";
import { cutIntoJobs } from "../../src/run/pieces.ts";
import { sharedReading } from "../../src/run/sharing/shared-reading.ts";
import { ggufBytes, pseudoWeights, type TinyTensor } from "../tiny-gguf.ts";
import { floatDirectory, packedDirectory } from "./packed-models.ts";

const MIB = 1024 * 1024;

/** The feed-forward weights are longer than the pages of the reader, also when they are packed. */
const SIZE = { keyValueHeads: 2, feedForward: 4096 };

/** Bands of them are longer than the pages of the reader. */
const wideTensors: readonly TinyTensor[] = [
  { name: "token_embd.weight", shape: [2048, 256], values: pseudoWeights(2048 * 256, 1) },
  { name: "blk.0.attn_norm.weight", shape: [256], values: pseudoWeights(256, 2) },
  { name: "blk.0.ffn_down.weight", shape: [1024, 1024], values: pseudoWeights(1024 * 1024, 3) },
];

const sources: Readonly<Record<string, () => Promise<ModelLocation>>> = {
  floats: async () => ({ store: await floatDirectory("BF16", 1, SIZE) }),
  packed: async () => ({
    store: await packedDirectory(
      "gptq",
      ["4bit", "32g", "sym"],
      { bits: 4, groupSize: 32, sym: true },
      2,
      SIZE,
    ),
  }),
  gguf: async () => {
    const store = memoryStore({ name: "wide" });
    store.files.set("wide.gguf", await ggufBytes(wideTensors));
    return { store, file: "wide.gguf" };
  },
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-several-reads-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const locationOf = async (source: string): Promise<ModelLocation> =>
  (await sources[source]?.()) ?? { store: memoryStore() };

async function withModel<T>(location: ModelLocation, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(location);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

/** The model of a store, and the ranges of its tensor file that are read. */
async function counted(
  source: string,
): Promise<{ readonly location: ModelLocation; readonly ranges: [number, number][] }> {
  const { store, file } = await locationOf(source);
  const ranges: [number, number][] = [];
  const open: ReadStore["open"] = async (path) => {
    const found = await store.open(path);
    if (found === undefined || !/\.(gguf|safetensors)$/.test(path)) return found;
    return {
      ...found,
      read(start, end) {
        ranges.push([start, end]);
        return found.read(start, end);
      },
      readInto(target, start) {
        ranges.push([start, start + target.byteLength]);
        return found.readInto(target, start);
      },
    };
  };
  return { location: { store: { ...store, open }, file }, ranges };
}

/** How often the run reads each byte of the stored tensors that are large enough to be read without pages. */
async function readsOf(
  source: string,
  targets: string,
  { filesApart = false }: { readonly filesApart?: boolean } = {},
): Promise<{ times: ReadonlyMap<string, number>; shared: ReturnType<typeof sharedBytes>; stored: number }> {
  const { location, ranges } = await counted(source);
  return withModel(location, async (model) => {
    const plan = await planConversions(model, parseTargets(targets), { allowRequantize: true });
    const path = join(folder, "counted");
    await rm(path, { recursive: true, force: true });
    ranges.length = 0;
    const output = filesApart ? memoryStore() : directoryStore(path);
    await runPlan(plan, model, output, { bandByteLength: MIB });
    const times = new Map<string, number>();
    for (const { name, byteOffset, byteLength } of model.storedTensors) {
      if (byteLength < MIB / 2) continue;
      const inside = ranges.map(([start, end]) =>
        Math.max(0, Math.min(end, byteOffset + byteLength) - Math.max(start, byteOffset)),
      );
      times.set(name, inside.reduce((sum, length) => sum + length, 0) / byteLength);
    }
    const stored = model.storedTensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { times, shared: sharedBytes(plan, model, { filesApart }), stored };
  });
}

describe("the source is read once", () => {
  it.each(["gguf:q8_0", "gguf:q4_0,q5_k_m", "gguf:q4_0,q5_k_m,q8_0,f16,f32"])(
    "each byte of the tensors of a GGUF for %s",
    async (targets) => {
      const { times, shared, stored } = await readsOf("gguf", targets);
      expect([...times]).toEqual([
        ["token_embd.weight", 1],
        ["blk.0.ffn_down.weight", 1],
      ]);
      expect(shared).toEqual({ bytesRead: stored, bytesReadAlone: stored * parseTargets(targets).length });
    },
  );

  it("but for each file of an output that gets one after the other", async () => {
    const { times, shared, stored } = await readsOf("gguf", "gguf:q4_0,q8_0", { filesApart: true });
    expect([...times.values()]).toEqual([2, 2]);
    expect(shared).toEqual({ bytesRead: stored * 2, bytesReadAlone: stored * 2 });
  });

  it("each part of packed weights, whether their codes or their values are taken", async () => {
    const targets = "gguf:auto,q4_k_m,safetensors:bf16,gguf:q8_0";
    const { times, shared, stored } = await readsOf("packed", targets);
    expect([...times]).toEqual(
      ["down_proj", "gate_proj", "up_proj"].map((name) => [`model.layers.0.mlp.${name}.qweight`, 1]),
    );
    expect(shared).toEqual({ bytesRead: stored, bytesReadAlone: stored * 4 });
  });

  it("each weight that is held whole, because it is transposed on the way", async () => {
    const { location, ranges } = await counted("gguf");
    await withModel(location, async (model) => {
      const plan = await planConversions(model, parseTargets("gguf:q8_0,q6_k"));
      const transposed: Plan = {
        ...plan,
        tensors: plan.tensors.map((tensor) => ({
          ...tensor,
          ...(tensor.name !== "blk.0.ffn_down.weight"
            ? {}
            : {
                inputs: [{ tensor: tensor.name, transpose: true }],
                way: { kind: "floats", direct: false },
                whole: true,
              }),
        })),
      };
      const { byteOffset, byteLength } = model.tensor("blk.0.ffn_down.weight");
      ranges.length = 0;
      await runPlan(transposed, model, directoryStore(join(folder, "transposed")), {
        bandByteLength: MIB / 4,
      });
      // 16 bands
      const inside = ranges.filter(([start, end]) => start < byteOffset + byteLength && end > byteOffset);
      expect(inside.reduce((sum, [start, end]) => sum + end - start, 0)).toBe(byteLength);
    });
  });

  it("but for rows that two targets take in different orders", async () => {
    const { times, shared, stored } = await readsOf("floats", "gguf:q8_0,safetensors:f16");
    expect([...times.values()]).toEqual([1, 1, 1]);
    // q and k, whose rows a GGUF has in another order
    const permuted = (256 + 128) * 256 * 2;
    expect(shared).toEqual({ bytesRead: stored + permuted, bytesReadAlone: stored * 2 });
  });
});

describe("the memory for a band", () => {
  it("is that of one target, and room for the new bytes of each other one", async () => {
    const location = await locationOf("gguf");
    const sizesOf = (targets: string) =>
      withModel(location, async (model) => {
        const plan = await planConversions(model, parseTargets(targets));
        const layouts = plan.files.map((file) => layoutFile(plan, file));
        return cutIntoJobs(layouts, MIB, sharedReading(model, new Map(plan.tensors.entries()))).sizes;
      });
    // 1 MiB of f32 are 256 Ki weights
    const weights = MIB / 4;
    const [q8, q6] = [(weights / 32) * 34, (weights / 256) * 210];
    const cached = 128 * 1024;
    const alone = { stored: weights * 2, values: cached, decoded: cached };
    expect(await sizesOf("gguf:q8_0,q6_k")).toEqual({ ...alone, out: q8 + q6 });
    // copies are delivered from where they were read
    expect(await sizesOf("gguf:f16,q8_0,q6_k,f32")).toEqual({ ...alone, out: q8 + q6 + weights * 4 });
  });
});
