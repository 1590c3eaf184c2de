/** Models with rows of 48 as Q4_K_M: the types are llama-quantize's, or F16, and llama.cpp runs the files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { archModels } from "../../../../fixtures/arch-models.ts";
import { loadLlama, nextLogits, withModel } from "../../../../fixtures/llama-client.ts";
import { openModel, type Plan, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-odd-rows-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

async function convert(path: string, target: string): Promise<{ plan: Plan; bytes: Uint8Array }> {
  const model = await openModel({ store: directoryStore(path) });
  try {
    const out = memoryStore({ name: "o" });
    const plan = await planConversion(model, parseTarget(target), { outputName: "o" });
    await runPlan(plan, model, out);
    return { plan, bytes: out.files.get("o.gguf") ?? new Uint8Array(0) };
  } finally {
    await model.close();
  }
}

/** Rows of matrices, and what llama.cpp's `tensor_type_fallback` makes of Q4_K and Q6_K there. */
const TYPES: Readonly<Record<number, readonly string[]>> = {
  48: ["F16"],
  96: ["Q5_0", "Q8_0"],
  192: ["Q5_0", "Q8_0"],
};

const cases = archModels.flatMap((model) =>
  ["gemma", "gpt2", "granite"].some((name) => model.name.startsWith(name))
    ? [{ name: model.name, model }]
    : [],
);

it("all three families are there", () => {
  const families = ["gemma", "gpt2", "granite"].filter((family) =>
    cases.some(({ name }) => name.startsWith(family)),
  );
  expect(families).toEqual(["gemma", "gpt2", "granite"]);
});

describe.each(cases)("$name", ({ name, model }) => {
  it("has types that fit its rows, and says so", async () => {
    const { plan } = await convert(model.path, "gguf:q4_k_m");
    const odd = plan.tensors.filter(({ shape }) => shape.length >= 2 && (shape.at(-1) ?? 0) % 256 !== 0);
    // what llama-quantize always keeps stays BF16 or F32
    const quantized = odd.filter(
      ({ to, name: tensor }) => !["F32", "BF16"].includes(to) && tensor !== "position_embd.weight",
    );
    expect(quantized.length).toBeGreaterThan(5);
    for (const { shape, to } of quantized) expect(TYPES[shape.at(-1) ?? 0] ?? [to]).toContain(to);
    expect(plan.findings.some(({ code }) => code === "other-type")).toBe(true);
  });

  it.skipIf("reason" in client)("runs in llama.cpp, near the float file", async () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;
    const logitsOf = async (target: string): Promise<number[]> => {
      const path = join(folder, `${name}-${target.replace(":", "-")}.gguf`);
      writeFileSync(path, (await convert(model.path, target)).bytes);
      const logits = await withModel(llama, path, (loaded) => nextLogits(loaded, model.prompt));
      return [...logits.values()];
    };
    const [floats, quantized] = [await logitsOf("gguf:f16"), await logitsOf("gguf:q4_k_m")];
    const largest = floats.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
    const worst = floats.reduce((most, logit, i) => Math.max(most, Math.abs(logit - (quantized[i] ?? 0))), 0);
    // five bits in two matrices of each layer
    expect(worst / largest).toBeLessThan(0.1);
    expect(quantized.length).toBe(floats.length);
  });
});
