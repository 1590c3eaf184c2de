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
import { loadLlama, logitsAt, takeComplaints, withModel } from "../../../fixtures/llama-client.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../convert/src/index.ts";
import { ggufSource, hfSource, logitsOf, logProbabilities, withHfModel } from "./model-source.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-forward-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

const known: ArchModel[] = [];
for (const model of archModels) {
  await withHfModel(model.path, async (source) => {
    const files = await source.hf?.sideFiles();
    if (files && decoderNamed(architectureOfConfig(files.config).name)) known.push(model);
  });
}

/** Ids of the model's own vocabulary: the prompt again and again, with changes, longer than all tiny windows. */
function windowsOf({ prompt }: ArchModel): number[][] {
  const long = Array.from({ length: 48 }, (_, i) => prompt[(i * 7 + (i >> 4)) % prompt.length] ?? 0);
  return [long, [...prompt, ...prompt, ...prompt].slice(0, 48)];
}

describe.skipIf("reason" in client)(`logits of ${archScope}`, () => {
  const { llama } = client as Extract<typeof client, { llama: unknown }>;

  it.each(known)("$name: llama.cpp's, from GGUF and from Hugging Face's files", async (model) => {
    const path = join(folder, `${model.name}.gguf`);
    const output = memoryStore({ name: "o" });
    const windows = windowsOf(model);
    const [fromHf, ofPrompt] = await withHfModel(model.path, async (source) => {
      const plan = await planConversion(source, parseTarget("gguf:f32"), { outputName: "o" });
      await runPlan(plan, source, output, { check: false });
      const decoder = await hfSource(source);
      return [await logitsOf(decoder, windows), await logitsOf(decoder, [model.prompt])];
    });
    writeFileSync(path, output.files.get("o.gguf") ?? "");
    const gguf = await openModel({ store: output, file: "o.gguf" });
    const fromGguf = await logitsOf(ggufSource(gguf), windows);
    expect(fromGguf).toEqual(fromHf);

    takeComplaints();
    const positions = windows[0]?.map((_, i) => i) ?? [];
    let worst = 0;
    await withModel(llama, path, async (loaded) => {
      for (const [window, ids] of windows.entries()) {
        const theirs = await logitsAt(loaded, ids, positions);
        const all = fromGguf[window] ?? new Float32Array(0);
        const vocabulary = all.length / ids.length;
        for (const position of positions) {
          const row = all.subarray(position * vocabulary, (position + 1) * vocabulary);
          const own = logProbabilities(row);
          const other = logProbabilities(Array.from(row, (_, id) => theirs[position]?.get(id) ?? Number.NaN));
          for (let id = 0; id < vocabulary; id++) {
            const difference = Math.abs((own[id] ?? 0) - (other[id] ?? 0));
            if (!(difference <= worst)) worst = difference;
          }
        }
      }
    });
    const last = ofPrompt[0]?.subarray(-((fromGguf[0]?.length ?? 0) / 48)) ?? new Float32Array(0);
    let torch = 0;
    for (const [id, logit] of model.topLogits)
      torch = Math.max(torch, Math.abs((last[id] ?? Number.NaN) - logit));
    console.log(model.name, worst.toExponential(2), torch.toExponential(2));
    expect(worst).toBeLessThan(1e-3);
  });
});
