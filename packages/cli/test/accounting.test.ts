/** What the command line says of words that fit nothing. Names of the model are those that llama.cpp gives its tensors. */
import { describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const MODEL = "fixtures/arch/gemma-tiny";

describe("words that fit nothing", () => {
  it.each([
    [["--tensor", "attn_kk=q8_0"], "The pattern attn_kk of --tensor fits no tensor of the output."],
    [["--prune-layers", "9"], "--prune-layers names a layer that the model does not have: 9."],
    [["--set", "general.name=str:a", "--set", "general.name=str:b"], "general.name is set twice."],
    [
      ["--include-weights", "attn"],
      "--include-weights chooses entries of an importance matrix, and none is given.",
    ],
    [["--keep-split", "--shard-size", "1MB"], "--keep-split and --shard-size contradict each other."],
    [
      ["--output-tensor", "q8_0", "--leave-output"],
      "--output-tensor and --leave-output contradict each other.",
    ],
    [["--requantize-rest"], "The target gguf does not take --requantize-rest."],
  ])("%j: wrong usage", async (options, message) => {
    const { status, err } = await requant("plan", MODEL, "--to", "gguf:f16", ...options);
    expect(err.split("\n")[0]).toBe(`requant: ${message}`);
    expect(status).toBe(2);
  });

  it.each([
    ["general.architecture=gpt2", /llama\.cpp/],
    ["gemma.block_count=9", /9 layers are stated, but layer 2 has no tensors/],
    ['tokenizer.ggml.tokens=["a"]', /llama\.cpp/],
  ])("--set %s would make a sound model unreadable: refused", async (assignment, message) => {
    const sound = await requant("plan", MODEL, "--to", "gguf:f16", "--set", "general.name=Mine");
    expect(sound.status, sound.err).toBe(0);
    const { status, err } = await requant("plan", MODEL, "--to", "gguf:f16", "--set", assignment);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });

  it("a split that is not there cannot be kept", async () => {
    const { status, err } = await requant("plan", MODEL, "--to", "gguf:f16", "--keep-split");
    expect(err).toContain("There is no split to keep: the source is not a GGUF of several parts.");
    expect(status).toBe(2);
  });

  it("an option of another target: the way out names the target in a whole sentence", async () => {
    const { status, err } = await requant("plan", MODEL, "--to", "gptq:4bit-32g", "--pure");
    expect(err).toBe(
      "requant: The target gptq does not take --pure.\n  Leave it out, or choose a target of gguf.\n",
    );
    expect(status).toBe(2);
  });

  it("--prune-layers: the report counts the weights that are left", async () => {
    const of = async (...options: string[]): Promise<string> =>
      (await requant("plan", MODEL, "--to", "gguf:f16", ...options)).out;
    // the header of the file: 76.8K weights in all, of which layer 1 has 25.4K
    expect(await of()).toMatch(/^weights +76\.8K in /m);
    expect(await of("--prune-layers", "1")).toMatch(/^weights +51\.4K in /m);
  });

  it("leave that changes nothing: a warning", async () => {
    const { status, out } = await requant("plan", MODEL, "--to", "gguf:f16", "--allow-requantize", "--json");
    expect(status).toBe(0);
    const { warnings } = JSON.parse(out);
    expect(warnings.filter(({ code }: { code: string }) => code === "not-used")).toHaveLength(1);
  });
});
