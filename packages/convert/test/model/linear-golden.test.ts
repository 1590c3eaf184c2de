/** Directories that GPTQModel, AutoAWQ and exllamav2 wrote: the weights they stand for, and what llama.cpp makes of our GGUF. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { F16, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { loadLlama, perplexity, withModel } from "../../../../fixtures/llama-client.ts";
import {
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const folder = mkdtempSync(join(tmpdir(), "requant-linear-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Golden {
  readonly name: string;
  readonly path: string;
  readonly hashes: readonly (readonly [module: string, sha256: string])[];
}

function goldenDirectories(): Golden[] {
  if (golden === undefined) return [];
  return ["kjv/gptq", "kjv/awq", "kjv/exl2", "linear/models"].flatMap((group) => {
    const root = join(golden, group);
    return readdirSync(root)
      .filter((name) => /^(gptq|awq|exl2)/.test(name) && existsSync(join(root, name, "config.json")))
      .map((name) => {
        const manifest: {
          ref_weight_f16_sha256?: Record<string, string>;
          weights?: Record<string, { ref_f16_sha256: string }>;
        } = JSON.parse(readFileSync(join(root, name, "manifest.json"), "utf8"));
        const hashes =
          manifest.ref_weight_f16_sha256 ??
          Object.fromEntries(
            Object.entries(manifest.weights ?? {}).map(([module, entry]) => [module, entry.ref_f16_sha256]),
          );
        return { name, path: join(root, name), hashes: Object.entries(hashes) };
      });
  });
}

/** sha256 of a weight's values, each rounded once to f16. */
async function halfHash(model: Model, name: string): Promise<string> {
  const { shape } = model.tensor(name);
  const [rows = 0, columns = 0] = shape;
  const values = new Float32Array(rows * columns);
  await model.weight(name).readRows(0, rows, values);
  const bytes = new Uint8Array(2 * values.length);
  F16.quantize?.(values, columns, bytes);
  return createHash("sha256").update(bytes).digest("hex");
}

const directories = goldenDirectories();

describe.skipIf(golden === undefined)("golden directories (skipped: REQUANT_GOLDEN is not set)", () => {
  it.each(directories)("$name: every weight is what the tool computes with", async ({ path, hashes }) => {
    const model = await openModel({ store: directoryStore(path) });
    try {
      expect(hashes.length).toBeGreaterThan(0);
      for (const [module, sha256] of hashes) {
        const { linear } = model.tensor(`${module}.weight`);
        expect(linear?.module).toBe(module);
        expect([module, await halfHash(model, `${module}.weight`)]).toEqual([module, sha256]);
      }
    } finally {
      await model.close();
    }
  });

  it.each(directories)("$name → gguf:auto holds the same values", async ({ name, path }) => {
    const model = await openModel({ store: directoryStore(path) });
    const plan = await planConversion(model, parseTarget("gguf:auto"), {
      outputName: `${name}-auto`,
      exact: true,
    });
    await runPlan(plan, model, directoryStore(folder, { overwrite: true }), { overwrite: true });
    const made = await openModel({ store: directoryStore(folder), file: `${name}-auto.gguf` });
    const report = await verifyModels(model, made);
    expect(report).toMatchObject({ ok: true, equal: true, onlyInA: [], onlyInB: [] });
    expect(report.tensors.length).toBe(model.tensors.length);
    await made.close();
    await model.close();
  });
});

describe.skipIf(golden === undefined)(
  "golden directories there and back (skipped: REQUANT_GOLDEN is not set)",
  () => {
    async function through(path: string, targets: readonly string[]): Promise<void> {
      const source = await openModel({ store: directoryStore(path) });
      let model = source;
      for (const [index, target] of targets.entries()) {
        const out = memoryStore({ name: `step-${index}` });
        await runPlan(await planConversion(model, parseTarget(target), { exact: true }), model, out);
        model = await openModel({ store: out });
      }
      let compared = 0;
      for (const { linear } of source.tensors) {
        for (const { name, byteLength } of linear?.parts ?? []) {
          const [before, after] = [source, model].map((one) => one.readBytes(name, 0, byteLength));
          expect(Buffer.compare((await before) ?? Buffer.of(), (await after) ?? Buffer.of()), name).toBe(0);
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(20);
      await source.close();
    }

    it.each([
      ["kjv/awq/awq-4bit-g128-gemm", ["gptq:4bit-128g-asym", "awq:gemm-128g"]],
      [
        "kjv/awq/awq-4bit-g32-gemm",
        ["compressed-tensors:4bit-32g-asym", "gptq:4bit-32g-asym", "awq:gemm-32g"],
      ],
      ["kjv/gptq/gptq-4bit-g128-sym", ["compressed-tensors:4bit-128g-sym", "gptq:4bit-128g-sym"]],
      ["kjv/gptq/gptq-4bit-g128-sym", ["gptq:4bit-128g-sym-marlin", "gptq:4bit-128g-sym"]],
      ["kjv/gptq/gptq-4bit-g32-asym-act", ["compressed-tensors:4bit-32g-asym", "gptq:4bit-32g-asym"]],
      ["kjv/gptq/gptq-3bit-g128-sym", ["compressed-tensors:3bit-128g-sym", "gptq:3bit-128g-sym"]],
      ["kjv/gptq/gptq-8bit-g128-sym-v2", ["compressed-tensors:8bit-128g-sym", "gptq:8bit-128g-sym-v2"]],
      ["kjv/exl2/exl2-2.7bpw-h6", ["exl2:2.7bpw-h6"]],
    ])("%s through %j: the tool's own bytes", (path, targets) => through(join(golden ?? "", path), targets));
  },
);

/** Perplexities of the dequantized models in a float32 forward pass: golden/kjv/README.md, column "ppl torch". */
const PERPLEXITIES: Readonly<Record<string, number>> = {
  "gptq-4bit-g128-sym": 13.5313,
  "gptq-4bit-g128-sym-aga": 13.4996,
  "gptq-4bit-g32-asym-act": 13.4478,
  "gptq-8bit-g128-sym-v2": 13.438,
  "gptq-3bit-g128-sym": 13.7942,
  "awq-4bit-g128-gemm": 13.5248,
  "awq-4bit-g32-gemm": 13.523,
  "exl2-4.0bpw-h6": 13.5412,
  "exl2-2.7bpw-h6": 14.1307,
};

const client = golden === undefined ? { reason: "REQUANT_GOLDEN is not set" } : await loadLlama();

describe.skipIf("reason" in client)(
  `llama.cpp${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;
    const heldout = readFileSync(
      resolve(import.meta.dirname, "../../../../fixtures/kjv/heldout.txt"),
      "utf8",
    );
    const trained = directories.filter(({ name, path }) => name in PERPLEXITIES && path.includes("kjv"));

    it.each(trained)("runs $name as GGUF with the perplexity of the directory", async ({ name, path }) => {
      const model = await openModel({ store: directoryStore(path) });
      const outputName = `${name}-client`;
      // exact where a block type is, F16 otherwise
      const plan = await planConversion(model, parseTarget("gguf:auto-f16"), { outputName });
      await runPlan(plan, model, directoryStore(folder, { overwrite: true }), { overwrite: true });
      await model.close();
      const types = new Set(plan.tensors.filter(({ shape }) => shape.length === 2).map(({ to }) => to));
      const measured = await withModel(llama, join(folder, `${outputName}.gguf`), (opened) =>
        perplexity(opened, heldout),
      );
      const expected = PERPLEXITIES[name] ?? Number.NaN;
      console.log(
        `${name} → ${[...types].join(", ")}: perplexity ${measured.toFixed(4)}, the directory's is ${expected}`,
      );
      expect(Math.abs(measured / expected - 1)).toBeLessThan(0.005);
    });
  },
);
