/** The file of `doctor --report`. Oracle: the secrets that are planted in models, names, folders and the environment. */
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { hostname, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { MetadataValue } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { main } from "../src/main.ts";
import { errorFacts } from "../src/report/error-facts.ts";
import { isHarmlessWord, patternOf } from "../src/report/harmless.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** None of these may be in a report, in any case. */
const SECRETS: readonly string[] = [
  "hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123",
  "sk-proj-1a2b3c4d5e6f7a8b",
  "deadbeefcafe0123456789",
  "zaphod",
  "heartofgold",
  "secretproject",
  "correct horse battery",
  "towelday",
  "example.org",
  "Don't Panic",
];
const [hubToken = "", apiKey = "", hex = "", user = "", host = "", project = "", phrase = "", file = ""] =
  SECRETS;

const text = (value: string): MetadataValue => ({ type: "string", value });
const texts = (...value: string[]): MetadataValue => ({
  type: "array",
  elementType: "string",
  length: value.length,
  value,
});

/** A GGUF whose every field has a secret, which opens all the same. */
function hostileGguf(architecture = "llama"): Uint8Array {
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", text(architecture)],
    ["general.name", text(`${project} of ${user}`)],
    ["general.author", text(user)],
    ["general.url", text(`https://${user}:${hubToken}@${host}.example.org/`)],
    ["general.file_type", text(hubToken)],
    ["general.alignment", { type: "u32", value: 32 }],
    [`llama.${apiKey}`, { type: "u32", value: 1 }],
    [`x.${hubToken}`, text(phrase)],
    ["tokenizer.ggml.model", text(`/home/${user}/${file}`)],
    ["tokenizer.ggml.pre", text(hex)],
    ["tokenizer.ggml.tokens", texts(user, phrase, hubToken)],
    ["tokenizer.chat_template", text(`{{ "Don't Panic" }} ${phrase}`)],
    ["llama.block_count", text(phrase)],
  ]);
  const names = ["blk.0.attn_q.weight", `blk.0.${hubToken}.weight`, `${hex}.weight`, `/home/${user}/${file}`];
  const { header, dataOffset, byteLength } = layoutGguf({
    metadata,
    tensors: names.map((name) => ({ name, shape: [2, 2], encoding: "F32" })),
  });
  const bytes = new Uint8Array(dataOffset + byteLength);
  bytes.set(header);
  return bytes;
}

function expectNoSecret(report: string): void {
  const lower = report.toLowerCase();
  const found = SECRETS.filter((secret) => lower.includes(secret.toLowerCase()));
  expect(found).toEqual([]);
  expect(report).not.toContain(folder);
  expect(report).not.toContain(process.cwd());
  // "root" is a word of programs; other accounts are people
  for (const name of [hostname(), userInfo().username].filter((each) => each !== "root" && each.length > 2))
    expect(report).not.toContain(name);
}

const reportSchema = z.object({
  versions: z.object({ requant: z.string(), node: z.string() }),
  model: z.record(z.string(), z.unknown()),
  findings: z.array(z.object({ code: z.string() })).optional(),
});

describe("doctor --report", () => {
  beforeAll(() => {
    vi.stubEnv("HF_TOKEN", hubToken);
    vi.stubEnv("MY_API_KEY", apiKey);
    vi.stubEnv("USER", user);
  });
  afterAll(() => vi.unstubAllEnvs());

  it("has no byte of secrets that are planted in every field of a GGUF, its name and its folder", async () => {
    const place = join(folder, user, project);
    mkdirSync(place, { recursive: true });
    const path = join(place, `${file}.gguf`);
    for (const architecture of ["llama", hubToken, `${user} ${phrase}`]) {
      writeFileSync(path, hostileGguf(architecture));
      const { status, out, err } = await requant("doctor", path, "--report", "-", "--to", "gguf:q8_0");
      expect({ status, err }).toMatchObject({ status: 1 });
      expectNoSecret(out);
      const report = reportSchema.parse(JSON.parse(out));
      expect(report.model).toMatchObject({ format: "gguf", tensorCount: 4 });
      expect(report.findings?.length).toBeGreaterThan(0);
      expect(out).toContain("blk.*.attn_q.weight");
    }
  });

  it("has no byte of secrets in the settings and file names of a Hugging Face directory", async () => {
    const place = join(folder, `${user}-${project}`);
    cpSync(hf, place, { recursive: true });
    const config = {
      ...JSON.parse(readFileSync(join(place, "config.json"), "utf8")),
      _name_or_path: `/home/${user}/${project}`,
      auto_map: { AutoModel: `${user}/${project}--modeling.Model` },
      hidden_act: `${user} ${phrase}`,
      [hubToken]: { [apiKey]: hex, bits: hubToken },
      quantization_config: {
        quant_method: hubToken,
        bits: 4,
        modules_to_not_convert: [phrase],
        url: "https://example.org",
      },
    };
    writeFileSync(join(place, "config.json"), JSON.stringify(config));
    writeFileSync(join(place, "README.md"), `Don't Panic, ${user}.`);
    writeFileSync(join(place, `${file}.bin`), phrase);
    writeFileSync(join(place, "chat_template.jinja"), `{{ "${phrase}" }}`);
    const { status, out } = await requant("doctor", place, "--report", "-", "--to", "q4_k_m");
    expect(status).toBe(1);
    expectNoSecret(out);
  });

  it("keeps only words that are known: no free text of a setting, a class or a name", async () => {
    const place = join(folder, "own-words");
    cpSync(hf, place, { recursive: true });
    const config = JSON.parse(readFileSync(join(place, "config.json"), "utf8"));
    const own = {
      architectures: ["AliceSmithForCausalLM", "LlamaForCausalLM"],
      dtype: "hunter2",
      hidden_act: "alicesecret",
      model_type: "AliceModel",
      rope_scaling: { rope_type: "Alice", factor: 2 },
      "alice smith": 1,
    };
    writeFileSync(join(place, "config.json"), JSON.stringify({ ...config, torch_dtype: "bfloat16", ...own }));
    const { out } = await requant("doctor", place, "--report", "-", "--quick");
    expect(out).not.toMatch(/alice|hunter/i);
    expect(out).toContain('["(hidden)","LlamaForCausalLM"]');
    expect(out).toContain('"bfloat16"');

    const path = join(folder, "own-words.gguf");
    const tensor = "blk.0.john.smith@example.com.weight";
    const { header, dataOffset, byteLength } = layoutGguf({
      metadata: new Map([
        ["general.architecture", text("alice")],
        ["alice.block_count", { type: "u32", value: 1 }],
        ["tokenizer.ggml.model", text("smith")],
        ["tokenizer.ggml.pre", text("llama-bpe")],
      ]),
      tensors: [{ name: tensor, shape: [2, 2], encoding: "F32" }],
    });
    const bytes = new Uint8Array(dataOffset + byteLength);
    bytes.set(header);
    writeFileSync(path, bytes);
    const gguf = await requant("doctor", path, "--report", "-", "--quick");
    expect(gguf.out).not.toMatch(/alice|smith|john|example/i);
    expect(gguf.out).toContain("(hidden).block_count");
    expect(gguf.out).toContain('"llama-bpe"');
  });

  it("has no byte of the address, its user, its password and its query", async () => {
    const server: Server = createServer((_, response) => {
      response.writeHead(404).end(phrase);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    try {
      const url = `http://${user}:${apiKey}@127.0.0.1:${port}/${project}/${file}.gguf?token=${hubToken}`;
      const { out } = await requant("doctor", url, "--report", "-");
      expectNoSecret(out);
    } finally {
      server.close();
    }
  });

  it("tells of a model that does not open, by the kind of its fault", async () => {
    const path = join(folder, `${file}-broken.gguf`);
    writeFileSync(path, hostileGguf().subarray(0, 100));
    const { status, out } = await requant("doctor", path, "--report", "-");
    expect(status).toBe(1);
    expectNoSecret(out);
    const { model, findings } = reportSchema.parse(JSON.parse(out));
    expect(model).toMatchObject({ error: { kind: "FormatError", code: "FORMAT" } });
    expect(findings).toMatchObject([{ code: "truncated" }]);
  });

  it("has what a person needs who looks into a problem", async () => {
    const { out } = await requant("doctor", hf, "--report", "-", "--to", "gguf:q8_0");
    expect(JSON.parse(out)).toMatchObject({
      versions: { requant: expect.any(String), node: process.version, simdKernels: expect.any(Boolean) },
      model: {
        format: "safetensors",
        tensorCount: 30,
        tensors: {
          leftOut: 0,
          rows: expect.arrayContaining([
            {
              name: "model.layers.*.self_attn.q_proj.weight",
              encoding: "BF16",
              count: 3,
              shapes: ["256×256"],
            },
          ]),
        },
        metadata: {
          rows: expect.arrayContaining([
            { key: "architectures", type: "array", length: 1, value: ["LlamaForCausalLM"] },
            { key: "hidden_size", type: "number", value: 256 },
          ]),
        },
      },
      findings: [],
    });
    const planned = JSON.parse((await requant("plan", hf, "--to", "gguf:q8_0", "--json")).out);
    const [{ fidelity, byteLength }] = JSON.parse(out).plan;
    expect({ fidelity, byteLength }).toEqual({ fidelity: planned.fidelity, byteLength: planned.byteLength });
  });

  it("tells why a conversion cannot be planned", async () => {
    const { status, out } = await requant("doctor", hf, "--report", "-", "--quick", "--to", "gguf:copy");
    expect(status).toBe(0);
    const { plan } = JSON.parse(out);
    expect(plan).toMatchObject(
      Array.isArray(plan) ? [{ target: "gguf:copy" }] : { error: { frames: expect.any(Array) } },
    );
  });

  it("is a file that nothing replaces unasked, and has the versions alone without a model", async () => {
    const path = join(folder, "report.json");
    expect(await requant("doctor", "--report", path)).toMatchObject({ status: 0, out: "" });
    expect(Object.keys(JSON.parse(readFileSync(path, "utf8")))).toEqual(["about", "versions"]);
    expect(await requant("doctor", "--report", path)).toMatchObject({ status: 4 });
    expect(await requant("doctor", "--report", path, "--overwrite", "--json")).toMatchObject({
      status: 0,
      out: `${JSON.stringify({ report: path })}\n`,
    });
  });

  it("has the status of doctor, and says at the end what was found and where the report is", async () => {
    const path = join(folder, "found.json");
    const broken = join(folder, "truncated.gguf");
    writeFileSync(broken, hostileGguf().subarray(0, 100));
    const { status, err } = await requant("doctor", broken, "--report", path);
    expect(status).toBe((await requant("doctor", broken)).status);
    expect(status).toBe(1);
    expect(err).toMatch(/found\.json: 1 error, 0 warnings; attach it to the issue\.\n$/);
  });

  it("is not written where the target is unknown, or the name is empty", async () => {
    const path = join(folder, "none.json");
    const { status, err } = await requant("doctor", hf, "--report", path, "--to", "nosuch", "--json");
    const planned = await requant("plan", hf, "--to", "nosuch", "--json");
    expect({ status, error: JSON.parse(err).error }).toEqual({
      status: 2,
      error: JSON.parse(planned.err).error,
    });
    expect(existsSync(path)).toBe(false);
    expect((await requant("doctor", hf, "--report", "")).status).toBe(2);
  });

  it("never replaces a file of the model: not its weights, its settings, by a link or another spelling", async () => {
    const model = join(folder, "model");
    cpSync(hf, model, { recursive: true });
    const hard = join(folder, "hard.json");
    linkSync(join(model, "model.safetensors"), hard);
    symlinkSync(join(model, "config.json"), join(folder, "soft.json"));
    const before = readFileSync(join(model, "config.json"));
    for (const path of [
      join(model, "model.safetensors"),
      join(model, "config.json"),
      `${model}/../model/tokenizer.json`,
      hard,
      join(folder, "soft.json"),
    ]) {
      for (const source of [model, join(model, "model.safetensors")]) {
        const { status, err } = await requant("doctor", source, "--report", path, "--overwrite", "--json");
        expect({ path, status, message: JSON.parse(err).error.message }).toEqual({
          path,
          status: 2,
          message: "The output is a file of the source.",
        });
      }
    }
    expect(readFileSync(join(model, "config.json"))).toEqual(before);
    expect((await requant("doctor", model, "--quick", "--report", join(model, "report.json"))).status).toBe(
      0,
    );
    // neither do other commands that write one file
    const text = join(folder, "text.txt");
    writeFileSync(text, "In the beginning God created the heaven and the earth. ".repeat(100));
    const weights = join(model, "model.safetensors");
    linkSync(weights, join(folder, "hard.npy"));
    linkSync(weights, join(folder, "hard.gguf"));
    for (const argv of [
      ["calibrate", model, "--text", text, "-o", weights],
      ["calibrate", model, "--text", text, "-o", weights, "--plan-out", join(folder, "plan.json")],
      ["calibrate", model, "--text", text, "-o", join(folder, "s.safetensors"), "--plan-out", hard],
      ["imatrix", model, "--text", text, "-o", join(folder, "hard.gguf")],
      ["dump", model, "model.norm.weight", "--out", join(folder, "hard.npy")],
      ["convert", model, join(folder, "o.gguf"), "--to", "q8_0", "--plan-out", hard],
    ]) {
      const { status, err } = await requant(...argv, "--overwrite", "--json");
      expect({ argv, status, message: JSON.parse(err).error.message }).toEqual({
        argv,
        status: 2,
        message: "The output is a file of the source.",
      });
    }
    expect(readFileSync(weights)).toEqual(readFileSync(join(hf, "model.safetensors")));
  });

  it.each([
    [["doctor"], "The argument <model> is missing."],
    [["doctor", "m", "--to", "q8_0"], "The option --to is for a report."],
    [["doctor", "m", "--overwrite"], "The option --overwrite is for a report."],
    [["doctor", "--report", "-", "--to", "q8_0"], "The option --to needs a model."],
  ])("%j is refused", async (argv, message) => {
    const { status, err } = await requant(...argv, "--json");
    expect({ status, message: JSON.parse(err).error.message }).toEqual({ status: 2, message });
  });
});

describe("what a report says of an error", () => {
  it("is its kind and the places of the code, without messages that quote files", () => {
    const quoting = Object.assign(new TypeError(`Received '${hubToken}'`), { code: "ERR_INVALID_ARG_TYPE" });
    const key = new TypeError(`Cannot read properties of undefined (reading '${hubToken}')`);
    for (const error of [
      key,
      new Error(`${phrase} /home/${user}/x`),
      quoting,
      new SyntaxError(phrase),
      hubToken,
    ])
      expectNoSecret(JSON.stringify(errorFacts(error)));
    const fault = new TypeError("Cannot read properties of undefined (reading 'x')");
    fault.stack = `TypeError: x\n    at readIt (file:///home/${user}/${project}/header.ts:12:34)\n    at /home/${user}/a.js:1:2`;
    expect(errorFacts(fault)).toEqual({
      kind: "TypeError",
      code: undefined,
      message: "Cannot read properties of undefined (reading 'x')",
      frames: ["readIt (header.ts:12:34)", "(a.js:1:2)"],
    });
  });
});

describe("words", () => {
  it.each([
    "attn_q",
    "blk",
    "ffn_gate_exps",
    "LlamaForCausalLM",
    "MiniCPMV",
    "Qwen2_5_VLForConditionalGeneration",
    "weight_scale_inv",
    "bfloat16",
    "e_score_correction_bias",
    "q4_k_m",
  ])("%s is shown", (word) => expect(isHarmlessWord(word)).toBe(true));

  it.each([
    ...SECRETS.slice(0, 3),
    "a/b",
    "C:\\x",
    "a b",
    "ghp_0123",
    "AKIAIOSFODNN7EXAMPLE",
    "ä",
    "9f86d081884c7d65",
    "x".repeat(41),
  ])("%s is hidden", (word) => expect(isHarmlessWord(word)).toBe(false));

  it("numbers of layers and experts are one pattern", () => {
    expect(patternOf("model.layers.11.mlp.experts.3.up_proj.weight")).toBe(
      "model.layers.*.mlp.experts.*.up_proj.weight",
    );
  });
});

describe("errors point to the report", () => {
  it("where requant itself is at fault, with status 70", async () => {
    let err = "";
    const status = await main(["version"], {
      out: {
        write() {
          throw new TypeError("x is not a function");
        },
      },
      err: {
        write(words) {
          err += words;
        },
      },
    });
    expect(status).toBe(70);
    expect(err).toContain("requant doctor MODEL --report report.json");
  });

  it("where something is not supported, and not where the user can mend it", async () => {
    const path = join(folder, "future.gguf");
    const bytes = hostileGguf();
    new DataView(bytes.buffer).setUint32(4, 99, true);
    writeFileSync(path, bytes);
    const refused = await requant("inspect", path);
    expect(refused.status).toBe(3);
    expect(refused.err).toContain("requant doctor MODEL --report report.json");
    const missing = await requant("inspect", join(folder, "nothing.gguf"));
    expect(missing).toMatchObject({ status: 4, err: expect.not.stringContaining("--report") });
  });
});
