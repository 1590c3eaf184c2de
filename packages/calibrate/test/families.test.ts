/**
 * The forward pass of all families whose tiny models are available. Oracles: llama.cpp running an F32 GGUF of the same model, and
 * transformers' five highest logits in f32.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { architectureOfConfig, decoderNamed } from "@requant/models";
import { afterAll, describe, expect, it } from "vitest";
import { type ArchModel, archModels, archScope } from "../../../fixtures/arch-models.ts";
import { loadLlama, withModel } from "../../../fixtures/llama-client.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../convert/src/index.ts";
import { llamaTolerance, windowsOf, worstDifference } from "./llama-logits.ts";
import { ggufSource, hfSource, logitsOf, withHfModel } from "./model-source.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-forward-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

const known: { readonly name: string; readonly model: ArchModel; readonly activation: "silu" | "gelu" }[] =
  [];
for (const model of archModels) {
  await withHfModel(model.path, async (source) => {
    const files = await source.hf?.sideFiles();
    const decoder = files && decoderNamed(architectureOfConfig(files.config).name);
    if (decoder !== undefined) known.push({ name: model.name, model, activation: decoder.activation });
  });
}

/** transformers computes the GELU of GPT-NeoX by erf, llama.cpp by tanh. */
const torchTolerance: Readonly<Record<string, number>> = { gptneox: 1e-3 };

describe(`logits of ${archScope}`, () => {
  it.each(known)(
    "$name: transformers' after the prompt, from Hugging Face's files",
    async ({ name, model }) => {
      const [logits] = await withHfModel(model.path, async (source) =>
        logitsOf(await hfSource(source), [model.prompt]),
      );
      const last = logits?.subarray(-logits.length / model.prompt.length);
      for (const [id, logit] of model.topLogits) {
        expect(Math.abs((last?.[id] ?? Number.NaN) - logit)).toBeLessThan(torchTolerance[name] ?? 1e-5);
      }
    },
  );
});

describe.skipIf("reason" in client)(
  `logits of ${archScope}${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(known)(
      "$name: llama.cpp's at all positions, from GGUF and from Hugging Face's files",
      async ({ name, model, activation }) => {
        const path = join(folder, `${name}.gguf`);
        const output = memoryStore({ name: "o" });
        const windows = windowsOf(model.prompt);
        const fromHf = await withHfModel(model.path, async (source) => {
          const plan = await planConversion(source, parseTarget("gguf:f32"), { outputName: "o" });
          await runPlan(plan, source, output, { check: false });
          return logitsOf(await hfSource(source), windows);
        });
        writeFileSync(path, output.files.get("o.gguf") ?? "");
        const fromGguf = await logitsOf(
          ggufSource(await openModel({ store: output, file: "o.gguf" })),
          windows,
        );
        expect(fromGguf).toEqual(fromHf);
        const worst = await withModel(llama, path, (loaded) => worstDifference(loaded, windows, fromGguf));
        expect(worst).toBeLessThan(llamaTolerance[activation]);
      },
    );
  },
);
