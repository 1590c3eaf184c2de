/** A folder holds one model: files of another one beside the output would be read in its place. */
import { memoryStore } from "@requant/core";
import { expect, it } from "vitest";
import { openModel } from "../../src/model/open.ts";
import { planConversion } from "../../src/plan/make-plan.ts";
import { parseTarget } from "../../src/plan/target.ts";
import { runPlan } from "../../src/run/run.ts";
import { packedDirectory } from "./packed-models.ts";

const source = packedDirectory("gptq", ["4bit", "32g", "sym"], { bits: 4, groupSize: 32, sym: true });

it.each([
  "model-00001-of-00002.safetensors",
  "model.safetensors.index.json",
  "other.gguf",
  "quantize_config.json",
])("%s of another model in the output folder is refused by name", async (name) => {
  const model = await openModel({ store: await source });
  const plan = await planConversion(model, parseTarget("safetensors:f32"));
  const output = memoryStore({ name: "out" });
  output.files.set(name, new Uint8Array(8));
  output.files.set("README.md", new Uint8Array(8));
  await expect(runPlan(plan, model, output)).rejects.toMatchObject({
    code: "USAGE",
    path: "out",
    message: `The output folder holds files of another model: ${name}.`,
  });
  expect([...output.files.keys()]).toEqual([name, "README.md"]);
  output.files.delete(name);
  await runPlan(plan, model, output);
  expect(output.files.has("model.safetensors")).toBe(true);
});
