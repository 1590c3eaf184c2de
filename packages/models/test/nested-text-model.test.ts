/** A family of one class that a setting decides is found for the text model of a multimodal config too. */
import { expect, test } from "vitest";
import { architectureOfConfig } from "../src/index.ts";

const wrapper = { architectures: ["WrapperForConditionalGeneration"], model_type: "wrapper" };

test.each([
  ["DeepseekV3ForCausalLM", { model_type: "kimi_k2" }, "kimi_k2", "deepseek2"],
  ["DeepseekV3ForCausalLM", { model_type: "deepseek_v3" }, "deepseek_v3", "deepseek2"],
  [
    "GraniteMoeHybridForCausalLM",
    { num_hidden_layers: 2, layer_types: ["mamba", "attention"] },
    undefined,
    "granitehybrid",
  ],
  [
    "GraniteMoeHybridForCausalLM",
    { num_hidden_layers: 2, layer_types: ["attention", "attention"], num_experts_per_tok: 2 },
    undefined,
    "granitemoe",
  ],
  ["NemotronHForCausalLM", { num_experts_per_tok: 2 }, undefined, "nemotron_h_moe"],
  ["NemotronHForCausalLM", {}, undefined, "nemotron_h"],
])("%s with %j", (name, settings, modelType, gguf) => {
  const text = { architectures: [name], ...settings };
  for (const config of [text, { ...wrapper, text_config: text }]) {
    const found = architectureOfConfig(config);
    expect(found.name).toBe(gguf);
    if (modelType !== undefined) expect(found.modelType).toBe(modelType);
  }
});
