/** The doctor: each code from a model that has that fault and no other, and nothing from models that have none. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { F16, IoError, type MetadataValue, memoryStore, type ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { layoutSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import { findingsDocument } from "../../../../scripts/findings-doc.ts";
import { templateFindings } from "../../src/examine/doctor/template.ts";
import {
  type DoctorReport,
  examineModel as examineOnly,
  type FindingCode,
  findingKinds,
} from "../../src/index.ts";
import { contentKinds } from "../../src/model/findings/content-kinds.ts";
import { fileKinds } from "../../src/model/findings/file-kinds.ts";
import { ggufBytes, pseudoWeights, tinyTensors } from "../tiny-gguf.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const floatModel = join(fixtures, "abuse/model/float-valid");
const golden = process.env["REQUANT_GOLDEN"];

type Files = Record<string, Uint8Array | string>;

function folderOf(files: Files): ReadStore {
  const store = memoryStore({ name: "folder" });
  for (const [name, content] of Object.entries(files))
    store.files.set(name, typeof content === "string" ? new TextEncoder().encode(content) : content);
  return store;
}

/** A small Llama as a Hugging Face directory, with some files changed; undefined takes one away. */
function directory(changes: Record<string, Uint8Array | string | undefined> = {}): ReadStore {
  const files: Files = {};
  for (const name of readdirSync(floatModel))
    files[name] = new Uint8Array(readFileSync(join(floatModel, name)));
  for (const [name, content] of Object.entries(changes)) {
    if (content === undefined) delete files[name];
    else files[name] = content;
  }
  return folderOf(files);
}

function changed(name: string, change: (json: Record<string, never>) => object): string {
  return JSON.stringify(change(JSON.parse(readFileSync(join(floatModel, name), "utf8"))));
}

/** Codes that any test of this page has seen. */
const seen = new Set<string>();

async function examineModel(...args: Parameters<typeof examineOnly>): Promise<DoctorReport> {
  const report = await examineOnly(...args);
  for (const { code } of report.findings) seen.add(code);
  return report;
}

const codesOf = ({ findings }: DoctorReport): string[] => findings.map(({ code }) => code);

function safetensors(shapes: Record<string, readonly number[]>): Uint8Array {
  const layout = layoutSafetensors(
    Object.entries(shapes).map(([name, shape]) => ({ name, shape, encoding: "F32" })),
  );
  const file = new Uint8Array(layout.byteLength);
  file.set(layout.header);
  file.fill(0x3c, layout.dataOffset);
  return file;
}

const lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";

describe("nothing is wrong with", () => {
  it.each([
    join(fixtures, "kjv/hf"),
    floatModel,
    join(fixtures, "abuse/gptq/gptq-valid"),
    join(fixtures, "abuse/awq/awq-valid"),
    join(fixtures, "abuse/exl2/exl2-valid"),
  ])("%s", async (path) => {
    const report = await examineModel({ store: directoryStore(path) });
    expect(report.findings).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.examined).toMatchObject({ weights: true });
    expect(report.examined.tensors).toBeGreaterThan(5);
  });

  const models =
    golden === undefined
      ? []
      : ["arch/hf", "arch/gguf", "linear/models", "kjv/gptq", "kjv/awq", "kjv/gguf"].flatMap((folder) =>
          readdirSync(join(golden, folder)).map((name) => join(golden, folder, name)),
        );
  it.skipIf(golden === undefined)("any golden model (skipped: REQUANT_GOLDEN is not set)", async () => {
    const found: string[] = [];
    let count = 0;
    for (const path of models) {
      // the job folder of a tool, parts of a model, texts; exllamav2's calibration rows lie beside their model
      if (/\/(scales|exl2-mixed-h6|imatrix.*|manifest\.json)$/.test(path)) continue;
      const isFolder = statSync(path).isDirectory();
      const store = directoryStore(isFolder ? path : dirname(path));
      const report = await examineModel(isFolder ? { store } : { store, file: basename(path) });
      count += 1;
      for (const { code, message, severity } of report.findings)
        if (severity !== "note") found.push(`${basename(path)}: ${code}: ${message}`);
    }
    expect(found).toEqual([]);
    expect(count).toBeGreaterThan(80);
  });
});

describe("the files of a folder", () => {
  it.each<[string, Record<string, Uint8Array | string | undefined>, string[], string]>([
    [
      "a tokenizer that is a pointer",
      { "tokenizer.json": lfs },
      ["lfs-pointer", "tokenizer-invalid"],
      "tokenizer.json",
    ],
    ["weights that are a pointer", { "model.safetensors": lfs }, ["lfs-pointer"], "model.safetensors"],
    [
      "weights that are a web page",
      { "model.safetensors": "<!DOCTYPE html><html>" },
      ["web-page"],
      "model.safetensors",
    ],
    ["weights of nothing", { "model.safetensors": "" }, ["never-written", "truncated"], "model.safetensors"],
    [
      "weights cut off",
      {
        "model.safetensors": new Uint8Array(
          readFileSync(join(floatModel, "model.safetensors")).subarray(0, 9000),
        ),
      },
      ["truncated"],
      "model.safetensors",
    ],
    [
      "a download that did not end",
      { "model-2.safetensors.incomplete": "x" },
      ["unfinished-download"],
      "model-2.safetensors.incomplete",
    ],
    ["a pickle beside", { "pytorch_model.bin": "PK\u0003\u0004" }, ["pickle-beside"], "pytorch_model.bin"],
    ["no config", { "config.json": undefined }, ["no-config"], ""],
    ["a config that is no JSON", { "config.json": "architectures: [x]" }, ["config-invalid"], "config.json"],
    ["no tokenizer", { "tokenizer.json": undefined }, ["no-tokenizer"], ""],
    [
      "code beside",
      { "config.json": changed("config.json", (json) => ({ ...json, auto_map: { AutoModel: "x.Y" } })) },
      ["remote-code"],
      "config.json",
    ],
  ])("%s", async (_, changes, codes, file) => {
    const report = await examineModel({ store: directory(changes) });
    const found = codesOf(report).filter((code) => codes.includes(code));
    expect(found.length, JSON.stringify(report.findings)).toBeGreaterThan(0);
    expect(
      codesOf(report).every((code) => [...codes, "config-invalid", "format", "no-tokenizer"].includes(code)),
      JSON.stringify(report.findings),
    ).toBe(true);
    if (file !== "") expect(report.findings.some((finding) => finding.path === file)).toBe(true);
    expect(report.ok).toBe(codes.every((code) => findingKinds[code as "format"].severity === "note"));
  });

  it("all shards that are missing, and the one too many", async () => {
    const index = {
      weight_map: { a: "m-1.safetensors", b: "m-2.safetensors", c: "m-3.safetensors" },
    };
    const report = await examineModel({
      store: folderOf({
        "model.safetensors.index.json": JSON.stringify(index),
        "m-1.safetensors": safetensors({ a: [4] }),
        "other.safetensors": safetensors({ z: [4] }),
      }),
    });
    expect(report.findings.filter(({ code }) => code === "missing-shard").map(({ path }) => path)).toEqual([
      "m-2.safetensors",
      "m-3.safetensors",
    ]);
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: "unlisted-shard", path: "other.safetensors" }),
    );
  });

  it("an index that leads out of the folder", async () => {
    const report = await examineModel({
      store: folderOf({
        "model.safetensors.index.json": JSON.stringify({ weight_map: { a: "../secret.safetensors" } }),
      }),
    });
    expect(codesOf(report)).toContain("path-escape");
  });

  it.skipIf(process.platform === "win32")("a side file that is a link out of the folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
    try {
      cpSync(floatModel, join(folder, "model"), { recursive: true });
      writeFileSync(join(folder, "secret"), "the secret");
      symlinkSync("../secret", join(folder, "model/chat_template.jinja"));
      const { findings, ok } = await examineModel({ store: directoryStore(join(folder, "model")) });
      expect(findings).toEqual([
        expect.objectContaining({ code: "link-outside", severity: "error", path: "chat_template.jinja" }),
      ]);
      expect(ok).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("pieces of a file, cut anywhere", async () => {
    const report = await examineModel({
      store: folderOf({ "m.gguf.part1of2": "GGUF", "m.gguf.part2of2": "no header" }),
    });
    expect(codesOf(report)).toEqual(["raw-pieces", "no-model"]);
    expect(report.findings[0]?.hint).toContain("cat m.gguf.part1of2");
  });

  it("shards joined into one file, which only a reader of the first would take", async () => {
    const [one, two] = [safetensors({ a: [2, 4] }), safetensors({ b: [2, 4] })];
    const both = new Uint8Array(one.byteLength + two.byteLength);
    both.set(one);
    both.set(two, one.byteLength);
    const report = await examineModel({ store: folderOf({ "model.safetensors": both }) });
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: "joined-files", offset: one.byteLength }),
    );
    expect(report.findings).toContainEqual(
      expect.objectContaining({ code: "trailing-bytes", severity: "error" }),
    );
  });

  it("a shard of two, without an index to tell of the other", async () => {
    const report = await examineModel({
      store: folderOf({ "model-00001-of-00002.safetensors": safetensors({ a: [2, 4] }) }),
    });
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        code: "missing-shard",
        severity: "error",
        message: expect.stringContaining("model-00002-of-00002.safetensors"),
      }),
    );
  });

  it("weights that training never gathered (ZeRO-3)", async () => {
    const store = directory({
      "model.safetensors": safetensors({
        "model.embed_tokens.weight": [0],
        "model.layers.0.self_attn.q_proj.weight": [0],
      }),
    });
    const report = await examineModel({ store });
    expect(codesOf(report)).toEqual(["empty-tensor"]);
    expect(report.findings[0]?.message).toContain("2 (model.embed_tokens.weight");
  });

  it("a folder that is an adapter", async () => {
    const store = folderOf({
      "adapter_config.json": "{}",
      "adapter_model.safetensors": safetensors({ "q_proj.lora_A.weight": [8, 64] }),
    });
    expect((await examineModel({ store })).findings).toContainEqual(
      expect.objectContaining({ code: "not-a-model", severity: "error", path: "adapter_model.safetensors" }),
    );
  });

  it("a folder without any model, and a place where nothing is", async () => {
    expect(codesOf(await examineModel({ store: folderOf({ "README.md": "hello" }) }))).toEqual(["no-model"]);
    await expect(examineModel({ store: folderOf({}), file: "m.gguf" })).rejects.toMatchObject({ code: "IO" });
  });
});

describe("shapes of known attacks are named", () => {
  const store = directoryStore(join(fixtures, "abuse/gguf"));
  it.each([
    ["cve-2024-21802", "too-many-dimensions", "CVE-2024-21802"],
    ["cve-2024-21825", "impossible-count", "CVE-2024-21825"],
    ["cve-2024-21836", "impossible-count", "CVE-2024-21836"],
    ["cve-2024-23496", "impossible-count", "CVE-2024-23496"],
    ["cve-2024-23605", "impossible-count", "CVE-2024-23605"],
    ["cve-2024-25664", "impossible-count", "CVE-2024-25664"],
    ["cve-2024-25665", "impossible-count", "CVE-2024-25664 to CVE-2024-25668"],
    ["cve-2024-25666", "impossible-count", "CVE-2024-25664 to CVE-2024-25668"],
    ["cve-2024-25667", "impossible-count", "CVE-2024-25664 to CVE-2024-25668"],
    ["cve-2024-25668", "impossible-count", "CVE-2024-25664 to CVE-2024-25668"],
    ["cve-2025-53630", "impossible-size", "CVE-2025-53630"],
    ["cve-2026-27940", "impossible-size", "CVE-2026-27940"],
    ["cve-2026-33298", "impossible-size", "CVE-2026-33298"],
  ])("%s: %s", async (name, code, reference) => {
    const { findings } = await examineModel({ store, file: `${name}.gguf` });
    expect(findings).toEqual([
      expect.objectContaining({ code, severity: "error", message: expect.stringContaining(reference) }),
    ]);
  });

  it("cve-2026-7482: data that is not there is a file cut off", async () => {
    const { findings } = await examineModel({ store, file: "cve-2026-7482.gguf" });
    expect(findings.map(({ code }) => code)).toEqual(["truncated"]);
  });

  it.each([
    ["template-exploit", "suspicious-template"],
    ["template-loop", "heavy-template"],
  ])("%s: %s", async (name, code) => {
    const report = await examineModel({ store, file: `${name}.gguf` });
    expect(codesOf(report)).toContain(code);
    expect(report.ok).toBe(false);
  });
});

describe("chat templates", () => {
  const codes = (template: string): string[] => templateFindings(template, {}).map(({ code }) => code);

  it.each([
    "{{ ''.__class__.__mro__ }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "{{ x | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ cycler.__init__.__globals__.os.popen('id') }}",
    "{% include '/etc/passwd' %}",
    "{%- import 'x' as y %}",
  ])("reaching: %s", (template) => {
    expect(codes(template)).toContain("suspicious-template");
  });

  it.each([
    "{% for i in range(99999999) %}x{% endfor %}",
    "{{ 'x' * 100000000 }}",
    "{{ range(10**9) | list }}",
  ])("endless: %s", (template) => {
    expect(codes(template)).toContain("heavy-template");
  });

  it.each([
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{% endfor %}",
    "Say __class__ and import os; popen('x') in the text around.",
    "{%- if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}",
    "{{ raise_exception('Conversation roles must alternate') }}{{ strftime_now('%d %b %Y') }}{{ tools | tojson(indent=4) }}",
    "{# __class__ in a comment #}{% set ns = namespace(found=false) %}{% for i in range(messages|length) %}{% endfor %}",
    "{{ never closed __class__",
  ])("honest: %s", (template) => {
    expect(codes(template)).toEqual([]);
  });
});

describe("a GGUF's facts against each other", () => {
  const base: [string, MetadataValue][] = [
    ["general.architecture", { type: "string", value: "llama" }],
    ["llama.block_count", { type: "u32", value: 1 }],
    ["llama.embedding_length", { type: "u32", value: 64 }],
    ["llama.context_length", { type: "u32", value: 128 }],
    ["llama.feed_forward_length", { type: "u32", value: 128 }],
    ["llama.attention.head_count", { type: "u32", value: 4 }],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 1e-5 }],
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
  ];
  const tokens = (list: readonly string[]): [string, MetadataValue] => [
    "tokenizer.ggml.tokens",
    { type: "array", elementType: "string", length: list.length, value: list },
  ];
  const text = (value: string): MetadataValue => ({ type: "string", value });
  const words = Array.from({ length: 96 }, (_, i) => `w${i}`);
  const scores = (length: number): [string, MetadataValue] => [
    "tokenizer.ggml.scores",
    { type: "array", elementType: "f32", length, value: new Float32Array(length) },
  ];
  const types = (value: readonly number[]): [string, MetadataValue] => [
    "tokenizer.ggml.token_type",
    { type: "array", elementType: "i32", length: value.length, value },
  ];
  /** A tensor that the tiny model does not have. */
  const more = (name: string, ...shape: number[]) => ({
    name,
    shape,
    values: pseudoWeights(
      shape.reduce((product, size) => product * size, 1),
      name.length,
    ),
  });
  /** The tiny model, with all that llama.cpp needs. */
  const whole = [
    ...tinyTensors(),
    more("output_norm.weight", 64),
    more("blk.0.attn_k.weight", 64, 64),
    more("blk.0.attn_v.weight", 64, 64),
    more("blk.0.attn_output.weight", 64, 64),
    more("blk.0.ffn_norm.weight", 64),
    more("blk.0.ffn_gate.weight", 128, 64),
    more("blk.0.ffn_down.weight", 64, 128),
  ];

  async function examine(
    entries: readonly [string, MetadataValue][],
    tensors = whole,
  ): Promise<DoctorReport> {
    const bytes = await ggufBytes(tensors, { metadata: new Map([...base, ...entries]) });
    return examineModel({ store: folderOf({ "m.gguf": bytes }), file: "m.gguf" });
  }

  it("none, where all is well", async () => {
    const report = await examine([tokens(words), scores(96), types(words.map(() => 1))]);
    expect(report.findings).toEqual([]);
  });

  it.each<[string, readonly [string, MetadataValue][], string]>([
    ["scores of another length", [tokens(words), scores(95)], "tokenizer-invalid"],
    ["types of another length", [tokens(words), types([1, 2])], "tokenizer-invalid"],
    [
      "a type that does not exist",
      [tokens(words), types(words.map((_, i) => (i === 3 ? 99 : 1)))],
      "token-type",
    ],
    [
      "a byte token that is no byte",
      [tokens(words), types(words.map((_, i) => (i === 3 ? 6 : 1)))],
      "byte-token",
    ],
    ["a token twice", [tokens(words.with(5, "w4"))], "duplicate-token"],
    [
      "an id beyond",
      [tokens(words), ["tokenizer.ggml.bos_token_id", { type: "u32", value: 96 }]],
      "token-id",
    ],
    [
      "a merge of nothing",
      [
        tokens(words),
        ["tokenizer.ggml.merges", { type: "array", elementType: "string", length: 1, value: ["w1 zz"] }],
      ],
      "unknown-merge",
    ],
    ["a vocabulary of another size", [tokens(words.slice(1))], "vocabulary-size"],
    ["a layer too many", [tokens(words), ["llama.block_count", { type: "u32", value: 2 }]], "missing-layer"],
    ["a layer too few", [tokens(words), ["llama.block_count", { type: "u32", value: 0 }]], "extra-layer"],
    ["another width", [tokens(words), ["llama.embedding_length", { type: "u32", value: 32 }]], "wrong-shape"],
    ["a length of another type", [tokens(words), ["llama.context_length", text("128")]], "key-type"],
    ["no heads", [tokens(words), ["llama.attention.head_count", { type: "u32", value: 0 }]], "key-value"],
    ["an unheard-of family", [tokens(words), ["general.architecture", text("llama9")]], "unknown-to-runtime"],
  ])("%s: %#", async (_, entries, code) => {
    const report = await examine(entries);
    expect(codesOf(report), JSON.stringify(report.findings)).toContain(code);
    expect(report.ok).toBe(false);
  });

  it("a weight without its partner", async () => {
    const without = whole.filter(({ name }) => name !== "blk.0.ffn_down.weight");
    const report = await examine([tokens(words)], without);
    expect(codesOf(report)).toEqual(["missing-tensor"]);
  });

  it("a norm in a type that llama.cpp cannot multiply with", async () => {
    const changed = whole.map((one) =>
      one.name === "output_norm.weight" ? { ...one, shape: [1, ...one.shape] } : one,
    );
    expect(codesOf(await examine([tokens(words)], changed))).toEqual(["tensor-type"]);
  });

  it("a tensor too many", async () => {
    const report = await examine([tokens(words)], [...whole, more("blk.0.attn_rot_embd", 8)]);
    expect(codesOf(report)).toEqual(["unexpected-tensor"]);
  });

  it("is judged for the program that is to run it", async () => {
    const bytes = await ggufBytes(whole, { metadata: new Map([...base, tokens(words)]) });
    const location = { store: folderOf({ "m.gguf": bytes }), file: "m.gguf" };
    expect((await examineModel(location)).runtimes).toEqual(["llama.cpp"]);
    expect(codesOf(await examineModel(location, { runtime: "transformers" }))).toEqual(["runtime-limits"]);
    expect(codesOf(await examineModel(location, { runtime: "exllamav2" }))).toEqual(["unknown-to-runtime"]);
  });
});

describe("values", () => {
  it.each([
    ["NaN", Number.NaN, "nan-weights"],
    ["infinity", Number.POSITIVE_INFINITY, "infinite-weights"],
  ])("%s is counted and placed", async (_, value, code) => {
    const tensors = tinyTensors();
    const [first] = tensors;
    if (first === undefined) throw new Error("no tensors");
    first.values[100] = value;
    first.values[4000] = value;
    const store = folderOf({ "m.gguf": await ggufBytes(tensors, { codec: F16 }) });
    const { findings } = await examineModel({ store, file: "m.gguf" });
    expect(findings).toContainEqual(
      expect.objectContaining({
        code,
        tensor: first.name,
        message: expect.stringMatching(/^2 values .* first at 100\b/),
      }),
    );
    const quick = await examineModel({ store, file: "m.gguf" }, { weights: false });
    expect(codesOf(quick)).not.toContain(code);
  });

  it("a matrix of zeros", async () => {
    const tensors = tinyTensors();
    tensors[0]?.values.fill(0);
    const store = folderOf({ "m.gguf": await ggufBytes(tensors) });
    expect(codesOf(await examineModel({ store, file: "m.gguf" }))).toContain("zero-weights");
  });

  it("a packed layer that makes no sense is one finding, and the others are still read", async () => {
    const { findings, examined } = await examineModel({
      store: directoryStore(join(fixtures, "abuse/gptq/gptq-gidx-range")),
    });
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([
      expect.objectContaining({
        tensor: expect.stringMatching(/\./),
        message: expect.stringMatching(/group/),
      }),
    ]);
    expect(examined.tensors).toBeGreaterThan(0);
  });
});

describe("what readers refuse or warn of has a code", () => {
  it.each<[string, FindingCode]>([
    ["gguf/magic-ggjt-v3.gguf", "old-format"],
    ["gguf/arr-nested-deep.gguf", "limit"],
    ["gguf/type-99.gguf", "unsupported"],
    ["gguf/offset-overlap-full.gguf", "overlap"],
    ["gguf/key-duplicate.gguf", "duplicate-name"],
    ["gguf/name-traversal.gguf", "strange-name"],
    ["gguf/value-not-utf8.gguf", "invalid-utf8"],
    ["gguf/value-ansi.gguf", "control-character"],
    ["gguf/name-64.gguf", "long-name"],
    ["gguf/dims-ndims-0.gguf", "no-dimensions"],
    ["gguf/valid-gap.gguf", "gap"],
    ["gguf/valid-unordered.gguf", "order"],
    ["gguf/trailing-bytes.gguf", "trailing-bytes"],
    ["pickle/pickle-as-gguf/model.gguf", "pickle"],
    ["st/index-subset", "unlisted-tensor"],
    ["gptq/gptq-bits-mismatch", "packed-weights"],
    ["gptq/gptq-bits-0", "quantization-config"],
    ["gptq/gptq-bits-0", "bad-weights"],
  ])("%s: %s", async (name, code) => {
    const path = join(fixtures, "abuse", name);
    const isFolder = statSync(path).isDirectory();
    const report = await examineModel({
      store: directoryStore(isFolder ? path : dirname(path)),
      file: isFolder ? undefined : basename(path),
    });
    expect(codesOf(report)).toContain(code);
    expect(report.ok).toBe(false);
  });

  it.each<[FindingCode, string, readonly number[]]>([
    ["not-read", "U32", [4, 4]],
    ["unknown-integers", "U32", [4]],
    ["unscaled-float8", "F8_E4M3", [4, 4]],
  ])("%s: %s of shape %j", async (code, encoding, shape) => {
    const { header, dataOffset, byteLength } = layoutSafetensors([{ name: "a.weight", shape, encoding }]);
    const file = new Uint8Array(byteLength);
    file.set(header);
    file.fill(0x3c, dataOffset);
    const report = await examineModel({ store: folderOf({ "model.safetensors": file }) });
    expect(codesOf(report)).toContain(code);
  });

  it("shards without an index, and an index with another total", async () => {
    const shards = {
      "model-00001-of-00002.safetensors": safetensors({ a: [4] }),
      "model-00002-of-00002.safetensors": safetensors({ b: [4] }),
    };
    const without = await examineModel({ store: folderOf(shards) });
    expect(codesOf(without)).toContain("no-index");
    const index = {
      metadata: { total_size: 33 },
      weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
    };
    const withOne = await examineModel({
      store: folderOf({ ...shards, "model.safetensors.index.json": JSON.stringify(index) }),
    });
    expect(codesOf(withOne)).toContain("total-size");
    expect(codesOf(withOne)).not.toContain("no-index");
  });

  it.each<[string, string, boolean]>([
    ["that agrees", JSON.stringify({ weight_map: { a: "model.safetensors" } }), false],
    ["of other tensors", JSON.stringify({ weight_map: { b: "model.safetensors" } }), true],
    ["of other files", JSON.stringify({ weight_map: { a: "model-00001-of-00001.safetensors" } }), true],
    ["that lists less", JSON.stringify({ weight_map: {} }), true],
    ["that is no JSON", "<html>", true],
  ])("a whole model with an index beside it %s", async (_, index, isNamed) => {
    const files = { "model.safetensors": safetensors({ a: [4] }), "model.safetensors.index.json": index };
    const report = await examineModel({ store: folderOf(files) });
    expect(codesOf(report).includes("unused-index")).toBe(isNamed);
  });

  it("an architecture that nobody has heard of is only noted", async () => {
    const config = changed("config.json", (json) => ({ ...json, architectures: ["XForY"], model_type: "x" }));
    const report = await examineModel({ store: directory({ "config.json": config }) });
    expect(report.findings.find(({ code }) => code === "unknown-architecture")).toMatchObject({
      severity: "note",
    });
  });

  it("a disk that fails in the middle of the weights", async () => {
    const bytes = await ggufBytes();
    const inner = folderOf({ "m.gguf": bytes });
    const store: ReadStore = {
      ...inner,
      async open(name) {
        const source = await inner.open(name);
        if (source === undefined) return undefined;
        // the header comes from the start, the weights do not
        const refuse = (start: number): void => {
          if (start > 0) throw new IoError("Cannot read the file: the disk reports an error.");
        };
        return {
          ...source,
          async read(start, end) {
            refuse(start);
            return source.read(start, end);
          },
          async readInto(target, start) {
            refuse(start);
            await source.readInto(target, start);
          },
        };
      },
    };
    const { findings } = await examineModel({ store, file: "m.gguf" });
    expect(findings).toContainEqual(
      expect.objectContaining({ code: "unreadable", severity: "error", tensor: expect.any(String) }),
    );
  });
});

it("every code has a meaning and a hint in one sentence", () => {
  for (const [code, { meaning, hint }] of Object.entries(findingKinds)) {
    expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/s);
    expect(hint).toMatch(/^[A-Z].*\.$/s);
  }
});

it("docs/findings.md has every code (pnpm findings-table writes it)", () => {
  expect(readFileSync(join(fixtures, "../docs/findings.md"), "utf8")).toBe(findingsDocument());
});

it("every code about models comes from some model", () => {
  const missing = Object.keys({ ...fileKinds, ...contentKinds }).filter((code) => !seen.has(code));
  expect(missing).toEqual([]);
});
