import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import module, { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MetadataValue } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const built = new URL("../dist/", import.meta.url);
const command = fileURLToPath(new URL("bin.js", built));
const model = fileURLToPath(new URL("../../gguf/test/vectors/container/little.gguf", import.meta.url));

function run(...args: string[]): string {
  return execFileSync(process.execPath, [command, ...args], { encoding: "utf8" });
}

/** The files that a file of the bundle loads: before it runs, or ever. */
function loads(file: string, when: "first" | "ever", seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const imports = when === "first" ? /(?:from|import)"\.\/([^"]+)"/g : /(?:from|import\(?)"\.\/([^"]+)"/g;
  for (const [, chunk] of readFileSync(new URL(file, built), "utf8").matchAll(imports)) {
    if (chunk !== undefined) loads(chunk, when, seen);
  }
  return seen;
}

/** The chunk of this name that a file of the bundle loads when it is asked to. */
function chunkOf(file: string, name: string): string {
  const text = readFileSync(new URL(file, built), "utf8");
  return new RegExp(`import\\("\\./(${name}-[^"]+)"\\)`).exec(text)?.[1] ?? `no ${name} in ${file}`;
}

/** A GPTQ model of two matrices, which are large enough for two threads. */
function writeGptq(folder: string): void {
  const [rows, columns, groupSize] = [2048, 4096, 128];
  const parts = {
    qweight: { dtype: "I32", shape: [columns / 8, rows] },
    qzeros: { dtype: "I32", shape: [columns / groupSize, rows / 8] },
    scales: { dtype: "F16", shape: [columns / groupSize, rows] },
  };
  let end = 0;
  const entries = [0, 1].flatMap((layer) =>
    Object.entries(parts).map(([part, { dtype, shape }]) => {
      const start = end;
      end += (shape[0] ?? 0) * (shape[1] ?? 0) * (dtype === "I32" ? 4 : 2);
      const name = `model.layers.${layer}.self_attn.q_proj.${part}`;
      return [name, { dtype, shape, data_offsets: [start, end] }] as const;
    }),
  );
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(json.byteLength));
  // zero points of 8 minus 1 for symmetric weights
  const data = Buffer.alloc(end, 0x77);
  mkdirSync(folder);
  writeFileSync(join(folder, "model.safetensors"), Buffer.concat([head, json, data]));
  const quantization = { quant_method: "gptq", bits: 4, group_size: groupSize, desc_act: false, sym: true };
  const config = {
    architectures: ["LlamaForCausalLM"],
    num_hidden_layers: 2,
    quantization_config: quantization,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

describe.skipIf(!existsSync(command))("the built command (skipped: not built)", () => {
  it("runs", () => {
    const manifest = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")));
    expect(run("--version").trim()).toBe(manifest.version);
    expect(JSON.parse(run("inspect", model, "--json"))).toMatchObject({ format: "gguf" });
  });

  it.skipIf(process.platform !== "linux")("says when its results go nowhere", () => {
    for (const json of [[], ["--json"]]) {
      const full = openSync("/dev/full", "w");
      const { status, stderr } = spawnSync(process.execPath, [command, "inspect", model, ...json], {
        stdio: ["ignore", full, "pipe"],
        encoding: "utf8",
      });
      closeSync(full);
      expect(status).toBe(4);
      if (json.length > 0) expect(JSON.parse(stderr)).toMatchObject({ error: { code: "IO" } });
      else
        expect(stderr).toMatch(
          /^requant: Cannot write the results: no space left on the disk\.\n {2}Free.*\n$/,
        );
    }
  });

  it("ends without a word when its reader has seen enough", async () => {
    const tokens = Array.from({ length: 50_000 }, (_, i) => `token ${i}`);
    const folder = mkdtempSync(join(tmpdir(), "requant-built-"));
    const path = join(folder, "m.gguf");
    const text: MetadataValue = { type: "array", elementType: "string", length: 50_000, value: tokens };
    writeFileSync(path, layoutGguf({ metadata: new Map([["x", text]]), tensors: [] }).header);
    const child = spawn(process.execPath, [command, "metadata", "get", path, "x"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let err = "";
    child.stderr.on("data", (data: Buffer) => {
      err += data.toString();
    });
    child.stdout.once("data", () => child.stdout.destroy());
    expect(await once(child, "close")).toEqual([0, null]);
    expect(err).toBe("");
    rmSync(folder, { recursive: true });
  });

  it("has all it needs inside, but for the library of the hub, which uploads alone load", () => {
    const outside = [...loads("bin.js", "ever")].flatMap((file) =>
      [
        ...readFileSync(new URL(file, built), "utf8").matchAll(
          // a space only in the banner: scripts of other languages inside the code have sentences
          /(?:(?:from|import\(?)"|^import [^"\n]* from ")([@\w][\w@/-]*)"/gm,
        ),
      ]
        .map(([, name]) => name ?? "")
        .filter((name) => !isBuiltin(name)),
    );
    expect(outside).toEqual(["@huggingface/hub"]);
  });

  it("inspect of a local path loads nothing of S3 and of uploads", () => {
    const chunks = [...loads("bin.js", "ever")].map((file) => chunkOf(file, "inspect"));
    const inspect = chunks.find((chunk) => chunk.startsWith("inspect-")) ?? "inspect is in no chunk";
    const loaded = new Set([...loads("bin.js", "first"), ...loads(inspect, "first")]);
    const holding = (text: string): string[] =>
      [...loaded].filter((file) => readFileSync(new URL(file, built), "utf8").includes(text));
    expect(holding("inspectModel")).not.toEqual([]);
    for (const text of ["AWS4-HMAC-SHA256", '"@huggingface/hub"', "CompleteMultipartUpload"])
      expect(holding(text)).toEqual([]);
  });

  it("has beside it what it starts", () => {
    const started = [...loads("bin.js", "ever")].flatMap((file) =>
      [...readFileSync(new URL(file, built), "utf8").matchAll(/"\.\/([\w-]+\.js)",import\.meta\.url/g)].map(
        ([, name]) => name ?? "",
      ),
    );
    expect(started.filter((name) => !existsSync(new URL(name, built)))).toEqual([]);
  });

  it("starts whatever the home is, and keeps compiled code in the user's cache alone", () => {
    const home = mkdtempSync(join(tmpdir(), "requant-home-"));
    const start = (env: Record<string, string>): string =>
      execFileSync(process.execPath, [command, "--version"], {
        env,
        cwd: home,
        timeout: 20_000,
        encoding: "utf8",
      });
    try {
      for (const place of [join(home, "missing"), "/proc", "/dev/null", ""]) {
        expect(start({ HOME: place })).toMatch(/^\d/);
      }
      expect(start({ HOME: home, NODE_DISABLE_COMPILE_CACHE: "1" })).toMatch(/^\d/);
      expect(start({ HOME: join(home, "missing"), XDG_CACHE_HOME: "relative" })).toMatch(/^\d/);
      expect(readdirSync(home)).toEqual([]);
      expect(start({ HOME: home })).toMatch(/^\d/);
      const keeps = "enableCompileCache" in module;
      expect(readdirSync(home)).toEqual(keeps ? [".cache"] : []);
      if (keeps) expect(readdirSync(join(home, ".cache"))).toEqual(["requant"]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it("loads no converter to say its version", () => {
    const bytes = [...loads(chunkOf("bin.js", "command"), "first", loads("bin.js", "first"))].map(
      (file) => readFileSync(new URL(file, built)).byteLength,
    );
    expect(bytes.reduce((sum, length) => sum + length, 0)).toBeLessThan(160_000);
  });

  it("loads no planner and no cryptography to inspect a file", () => {
    const start = chunkOf("bin.js", "command");
    const files = [...loads(chunkOf(start, "inspect"), "first", loads(start, "first"))];
    const texts = files.map((file) => readFileSync(new URL(file, built), "utf8"));
    expect(texts.reduce((sum, text) => sum + text.length, 0)).toBeLessThan(850_000);
    expect(texts.filter((text) => /from ?"(?:node:)?crypto"/.test(text))).toEqual([]);
  });

  it("loads no families of models and no packed formats in the threads of a conversion", () => {
    const texts = [...loads("node-worker.js", "first")].map((file) =>
      readFileSync(new URL(file, built), "utf8"),
    );
    expect(texts.reduce((sum, text) => sum + text.length, 0)).toBeLessThan(950_000);
    const holding = (text: string): number => texts.filter((own) => own.includes(text)).length;
    expect(holding("PieceMaker")).toBeGreaterThan(0);
    for (const text of ["Qwen2ForCausalLM", "quantize_config.json"]) expect(holding(text), text).toBe(0);
  });

  it("never loads the command itself in a thread", () => {
    const ofCommand = (entry: string): string[] =>
      [...loads(entry, "ever")].filter((file) =>
        readFileSync(new URL(file, built), "utf8").includes("There is no command"),
      );
    expect(ofCommand("bin.js").length).toBeGreaterThan(0);
    for (const entry of ["node-worker.js", "node-thread.js"]) expect(ofCommand(entry), entry).toEqual([]);
  });

  it("says nothing but its report when threads read packed weights", () => {
    const folder = mkdtempSync(join(tmpdir(), "requant-threads-"));
    try {
      writeGptq(join(folder, "gptq"));
      const given = ["convert", join(folder, "gptq"), join(folder, "floats"), "--to", "safetensors:f16"];
      const said = spawnSync(process.execPath, [command, ...given, "--jobs", "2"], { encoding: "utf8" });
      expect(said.stderr).toBe("warning: The embedding of the tokens is missing. (config.json)\n");
      expect(said.status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("passes on the licences of what is inside", () => {
    expect(readdirSync(built)).toContain("THIRD-PARTY-NOTICES.txt");
    const notices = readFileSync(new URL("THIRD-PARTY-NOTICES.txt", built), "utf8");
    for (const name of ["zod", "commander"])
      expect(notices).toMatch(new RegExp(`^${name} .*\\(MIT\\)$`, "m"));
  });
});
