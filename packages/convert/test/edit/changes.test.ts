/** What a change does, and which changes readers would refuse: those that llama.cpp does refuse are in golden's FINDINGS. */
import { type MetadataValue, memorySink, memorySource } from "@requant/core";
import { type GgufFile, parseGguf, readGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import { tinyGguf, tinyMetadata } from "../../../../fixtures/tiny-gguf.ts";
import { parseMetadataAssignment } from "../../src/edit/assignment.ts";
import { type MetadataChange, type MetadataEdit, planMetadataEdit } from "../../src/edit/changes.ts";
import { editMetadata } from "../../src/edit/metadata.ts";

const sound = parseGguf(tinyGguf());

function changeOf(file: GgufFile, ...texts: readonly string[]): MetadataChange {
  const [word, ...entries] = texts;
  if (word === "unset") return { unset: entries };
  return { set: new Map(texts.map((text) => parseMetadataAssignment(text, file.metadata))) };
}

const edit = (...texts: readonly string[]): MetadataEdit =>
  planMetadataEdit(sound, changeOf(sound, ...texts));

describe("a change after which llama.cpp would refuse a sound file", () => {
  // refused or aborted on by llama.cpp, each tried: the first eight of these
  it.each([
    [["unset", "general.architecture"], /no general\.architecture/],
    [["unset", "llama.block_count"], /no llama\.block_count/],
    [["unset", "llama.attention.head_count"], /no llama\.attention\.head_count/],
    [["unset", "llama.attention.layer_norm_rms_epsilon"], /no llama\.attention\.layer_norm_rms_epsilon/],
    [["unset", "tokenizer.ggml.tokens"], /no tokenizer\.ggml\.tokens/],
    [["unset", "tokenizer.ggml.merges"], /no tokenizer\.ggml\.merges/],
    [["llama.context_length=str:64"], /llama\.context_length is string; llama\.cpp reads only u32/],
    [["llama.context_length=u64:64"], /llama\.context_length is u64; llama\.cpp reads only u32/],
    [["general.architecture=qwen2"], /no qwen2\.block_count/],
    [["tokenizer.ggml.eos_token_id=8"], /eos_token_id is 8; the vocabulary has 8 tokens/],
    [["llama.block_count=2"], /2 layers are stated, but layer 1 has no tensors/],
    [["llama.embedding_length=64"], /must be the embedding length, 64/],
    [['tokenizer.ggml.tokens=["a"]'], /vocabulary has 1 tokens/],
    [["general.name=u32:1"], /general\.name is u32; llama\.cpp reads only string/],
  ])("%j is refused", (texts, message) => {
    const refused = edit(...texts).refusals.map((finding) => finding.message);
    expect(refused).toContainEqual(expect.stringMatching(message));
  });

  it("names each fault once", () => {
    expect(edit("unset", "tokenizer.ggml.merges").refusals).toHaveLength(1);
    expect(edit("llama.context_length=str:64").refusals).toHaveLength(1);
  });
});

describe("a change that is sound", () => {
  it.each([
    [["general.name=Other"]],
    [["llama.context_length=128"]],
    [["tokenizer.ggml.eos_token_id=7"]],
    [["unset", "general.name"]],
    [["unset", "tokenizer.ggml.bos_token_id", "general.tags"]],
    [["my.own=u64:1"]],
    [["llama.feed_forward_length=u32[]:[32]"]],
  ])("%j has no findings", (texts) => {
    expect(edit(...texts)).toMatchObject({ findings: [], refusals: [] });
  });

  it("a faulty file can be changed: only new faults are refused, old ones of the same keys are told", () => {
    const metadata = new Map(tinyMetadata);
    metadata.set("tokenizer.ggml.bos_token_id", { type: "u32", value: 100 });
    metadata.delete("llama.block_count");
    const faulty = parseGguf(tinyGguf(metadata));
    expect(planMetadataEdit(faulty, changeOf(faulty, "general.name=x"))).toMatchObject({ findings: [] });
    const same = planMetadataEdit(faulty, changeOf(faulty, "tokenizer.ggml.bos_token_id=100"));
    expect(same).toMatchObject({ refusals: [], findings: [{ code: "token-id" }] });
    const other = planMetadataEdit(faulty, changeOf(faulty, "tokenizer.ggml.bos_token_id=101"));
    expect(other.refusals).toHaveLength(1);
    const mended = planMetadataEdit(faulty, changeOf(faulty, "tokenizer.ggml.bos_token_id=1"));
    expect(mended.findings).toEqual([]);
  });
});

describe("differences", () => {
  it("are told for each key, with the first place that differs", () => {
    const { differences } = edit(
      "general.name=Tina",
      "llama.context_length=64",
      "my.own=u8:1",
      'general.tags=["chat", "code"]',
    );
    expect(differences).toMatchObject([
      { key: "general.name", differs: true, firstDifference: 3 },
      { key: "llama.context_length", differs: false },
      { key: "my.own", differs: true, before: undefined },
      { key: "general.tags", differs: true, firstDifference: 1 },
    ]);
    expect(edit("unset", "general.name").differences).toMatchObject([
      { key: "general.name", after: undefined, differs: true },
    ]);
  });
});

describe("editMetadata", () => {
  async function written(change: MetadataChange, force?: boolean): Promise<Uint8Array> {
    let bytes = new Uint8Array();
    const sink = memorySink((all) => {
      bytes = all;
    });
    await editMetadata(memorySource(tinyGguf(), "in"), sink, change, { force });
    return bytes;
  }

  it("moves the tensors where another alignment asks for it, and changes no byte of them", async () => {
    const bytes = await written(changeOf(sound, "general.alignment=128"));
    const file = await readGguf(memorySource(bytes, "out"));
    expect(file.alignment).toBe(128);
    for (const [index, { name, byteOffset, byteLength }] of file.tensors.entries()) {
      expect({ name, rest: byteOffset % 128 }).toEqual({ name, rest: 0 });
      expect(new Set(bytes.subarray(byteOffset, byteOffset + byteLength))).toEqual(new Set([index + 1]));
    }
  });

  it("refuses what readers would refuse, unless it is forced", async () => {
    const change = { unset: ["llama.block_count"] };
    await expect(written(change)).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringMatching(/`force`/),
    });
    expect(parseGguf(await written(change, true)).metadata.has("llama.block_count")).toBe(false);
  });

  it("refuses what would not be read again", async () => {
    const value: MetadataValue = { type: "string", value: "x".repeat(17 * 2 ** 20) };
    await expect(written({ set: new Map([["general.description", value]]) }, true)).rejects.toMatchObject({
      code: "LIMIT",
    });
  });

  it("names all keys that are not there, and near ones", async () => {
    await expect(written({ unset: ["a", "general.name", "b"] })).rejects.toMatchObject({
      message: "The file has none of these keys to unset: a, b.",
    });
    await expect(written({ unset: ["general.nane"] })).rejects.toMatchObject({
      hint: "Near are general.name.",
    });
    await expect(
      written({ unset: ["general.name"], set: new Map([["general.name", { type: "bool", value: true }]]) }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/both to be set and to be unset/) });
  });
});
