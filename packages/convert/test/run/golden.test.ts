/** The whole golden set: what llama.cpp's converter and llama-quantize made, byte for byte. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memorySource, memoryStore } from "@requant/core";
import { directoryStore, fileSource } from "@requant/core/node";
import { imatrixWeights, readGguf, readImatrix } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseManifest, pendingFamilies } from "../../../../fixtures/arch-golden.ts";
import {
  type Model,
  openModel,
  type PlanOptions,
  parseTarget,
  planConversion,
  planMerge,
  planModelSplit,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const suite = describe.skipIf(golden === undefined);
const skipped = golden === undefined ? " (skipped: REQUANT_GOLDEN is not set)" : "";
const models = join(golden ?? "", "gguf/models");

function json<T>(schema: z.ZodType<T>, path: string, empty: T): T {
  return golden === undefined ? empty : schema.parse(parseManifest(readFileSync(join(golden, path), "utf8")));
}

const tensorSchema = z.tuple([z.string(), z.string(), z.array(z.number()), z.number(), z.string()]);
const fileSchema = z.object({
  tensors: z.array(tensorSchema).optional(),
  sha256: z.string(),
  bytes: z.number(),
  made_by: z.string().optional(),
  delivered: z.boolean(),
});
const tiny = json(z.object({ files: z.record(z.string(), fileSchema) }), "gguf/models/manifest.json", {
  files: {},
}).files;
const archSchema = z.object({
  models: z.record(
    z.string(),
    z.object({
      dir: z.string(),
      gguf: z.record(z.string(), z.object({ sha256: z.string() })),
      convert_args: z.array(z.string()),
      not_deterministic: z.unknown().optional(),
    }),
  ),
});
const archSets = ["arch", "arch2"].flatMap((set) =>
  Object.entries(json(archSchema, `${set}/manifest.json`, { models: {} }).models)
    .filter(
      ([name, entry]) => !Object.hasOwn(pendingFamilies, name) && !entry.convert_args.includes("--mmproj"),
    )
    .map(([name, entry]) => ({ name, path: join(golden ?? "", set, entry.dir), gguf: entry.gguf })),
);

function sha256(bytes: Uint8Array | undefined): string {
  return createHash("sha256")
    .update(bytes ?? new Uint8Array(0))
    .digest("hex");
}

async function convert(
  model: Model,
  target: string,
  options: PlanOptions = {},
): Promise<Uint8Array | undefined> {
  const output = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", ...options });
  await runPlan(plan, model, output, { imatrix: options.imatrix?.weights, check: false });
  return output.files.get("o.gguf");
}

async function withModel<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const parts = path.split("/");
  const isFile = path.endsWith(".gguf");
  const model = await openModel({
    store: directoryStore(isFile ? parts.slice(0, -1).join("/") : path),
    file: isFile ? parts.at(-1) : undefined,
  });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

suite(`the tiny llama of the golden set${skipped}`, () => {
  it.each([
    ["hf-tiny-llama-f16", "gguf:f16", "tiny-llama-F16.gguf"],
    ["hf-tiny-llama-bf16", "gguf:bf16", "tiny-llama-BF16.gguf"],
    ["hf-tiny-llama-bf16", "gguf:q8_0", "tiny-llama-convert-q8_0.gguf"],
  ])("%s → %s is %s", async (directory, target, file) => {
    expect(sha256(await withModel(join(models, directory), (model) => convert(model, target)))).toBe(
      tiny[file]?.sha256,
    );
  });

  it("F32 of the f16 checkpoint has its values", async () => {
    // the golden F32 file is of another checkpoint, so the values are compared with the golden F16 file's
    await withModel(join(models, "hf-tiny-llama-f16"), async (source) => {
      const store = memoryStore({ name: "f32" });
      const plan = await planConversion(source, parseTarget("gguf:f32"), { outputName: "o", exact: true });
      await runPlan(plan, source, store);
      const made = await openModel({ store, file: "o.gguf" });
      const report = await withModel(join(models, "tiny-llama-F16.gguf"), (model) =>
        verifyModels(model, made),
      );
      expect(report.equal).toBe(true);
    });
  });

  it("the big-endian file and the three parts hold the values of the file they were made of", async () => {
    const store = memoryStore({ name: "whole" });
    await withModel(join(models, "tiny-llama-F16.gguf"), async (model) => {
      store.files.set("o.gguf", (await convert(model, "gguf:q4_k_m")) ?? new Uint8Array(0));
    });
    const fromF16 = await openModel({ store, file: "o.gguf" });
    await withModel(join(models, "split/tiny-llama-Q4_K_M-00002-of-00003.gguf"), async (split) => {
      expect(split.files).toHaveLength(3);
      expect((await verifyModels(fromF16, split)).equal).toBe(true);
    });
    await withModel(join(models, "quantized/tiny-llama-Q4_K_M.gguf"), async (little) => {
      const path = join(models, "bigendian/tiny-llama-Q4_K_M-be.gguf");
      expect((await withModel(path, (big) => verifyModels(little, big))).equal).toBe(true);
    });
  });

  it("split as llama-gguf-split does, then quantized with the split kept", async () => {
    await withModel(join(models, "tiny-llama-F16.gguf"), async (model) => {
      const parts = memoryStore({ name: "parts" });
      await runPlan(
        await planModelSplit(model, { outputName: "tiny-llama-F16", maxTensors: 8 }),
        model,
        parts,
      );
      for (const [name, bytes] of parts.files)
        expect(sha256(bytes), name).toBe(tiny[`split/${name}`]?.sha256);
      const merged = memoryStore({ name: "merged" });
      const split = await openModel({ store: parts, file: "tiny-llama-F16-00001-of-00003.gguf" });
      await runPlan(await planMerge(split, { outputName: "whole" }), split, merged);
      expect(sha256(merged.files.get("whole.gguf"))).toBe(tiny["tiny-llama-F16.gguf"]?.sha256);
      const kept = memoryStore({ name: "kept" });
      const plan = await planConversion(split, parseTarget("gguf:q4_k_m"), {
        outputName: "tiny-llama-Q4_K_M",
        keepSplit: true,
      });
      await runPlan(plan, split, kept);
      for (const [name, bytes] of kept.files) expect(sha256(bytes), name).toBe(tiny[`split/${name}`]?.sha256);
    });
  });
});

/** Files that llama-quantize made of a delivered source, by its command line. */
const commands = Object.entries(tiny).flatMap(([name, { made_by = "", sha256: hash }]) => {
  const match = /^llama-quantize (--imatrix imatrix\.gguf )?(tiny-\w+-F\d\d)\.gguf OUT (\w+) 1$/.exec(
    made_by,
  );
  if (match === null) return [];
  const [, imatrix, source = "", target = ""] = match;
  return [{ name, imatrix: imatrix !== undefined, source, target, hash }];
});

// IQ1_M: ties are broken as a newer ggml does, see docs/formats/gguf.md
suite(`llama-quantize's targets, whole files${skipped}`, () => {
  it.each(commands.filter(({ imatrix }) => !imatrix))("$name", async ({ source, target, hash }) => {
    const bytes = await withModel(join(models, `${source}.gguf`), (model) =>
      convert(model, `gguf:${target}`),
    );
    expect(sha256(bytes)).toBe(hash);
  });

  it.each(commands.filter(({ imatrix }) => imatrix))(
    "$name",
    { timeout: 300_000 },
    async ({ name, source, target, hash }) => {
      const file = await fileSource(join(models, "imatrix.gguf"));
      const imatrix = await readImatrix(file);
      await file.close();
      const weights = imatrixWeights(imatrix);
      const origin = {
        // as it stood on the command line that made the files
        file: "fixtures/gguf/m/imatrix.gguf",
        dataset: imatrix.datasets[0],
        entryCount: weights.size,
        chunkCount: imatrix.chunkCount,
      };
      const bytes = await withModel(join(models, `${source}.gguf`), (model) =>
        convert(model, `gguf:${target}`, { imatrix: { weights, origin } }),
      );
      if (tiny[name]?.delivered === true) expect(sha256(bytes)).toBe(hash);
      // the others were made in another folder, whose name is in their metadata
      const { tensors } = await readGguf(memorySource(bytes ?? new Uint8Array(0)));
      const found = tensors.map(({ name: tensor, encoding, byteOffset, byteLength }) => [
        tensor,
        encoding,
        sha256(bytes?.subarray(byteOffset, byteOffset + byteLength)).slice(0, 16),
      ]);
      expect(found).toEqual(tiny[name]?.tensors?.map(([tensor, type, , , sum]) => [tensor, type, sum]));
    },
  );
});

suite(`the converter's files of ${archSets.length} architectures${skipped}`, () => {
  const cases = archSets.flatMap(({ name, path, gguf }) =>
    Object.entries(gguf).map(([type, { sha256: hash }]) => ({ name, path, type, hash })),
  );
  it.each(cases)("$name $type", async ({ path, type, hash }) => {
    expect(existsSync(path)).toBe(true);
    expect(sha256(await withModel(path, (model) => convert(model, `gguf:${type}`)))).toBe(hash);
  });
});
