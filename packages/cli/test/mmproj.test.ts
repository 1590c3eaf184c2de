/**
 * Projectors of models that see or hear: to GGUF, beside the text model, and back. Oracle: the files that llama.cpp's converter writes
 * with `--mmproj` (golden set), and for the opposite direction the checkpoint itself.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openModel } from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { parseManifest, pendingFamilies } from "../../../fixtures/arch-golden.ts";
import { requant } from "./run.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";
const set = join(golden, "arch2");
const folder = mkdtempSync(join(tmpdir(), "requant-mmproj-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Entry {
  readonly dir: string;
  readonly convert_args?: readonly string[];
  readonly gguf: Readonly<Record<string, { readonly sha256: string }>>;
}

const models: Record<string, Entry> =
  golden === "" || !existsSync(join(set, "manifest.json"))
    ? {}
    : parseManifest(readFileSync(join(set, "manifest.json"), "utf8")).models;
const isProjector = ({ convert_args: words }: Entry): boolean => words?.includes("--mmproj") === true;
const projectors = Object.entries(models).flatMap(([name, entry]) =>
  isProjector(entry) ? [{ name, directory: join(set, entry.dir), ...entry }] : [],
);
const files = projectors.flatMap((entry) =>
  Object.entries(entry.gguf).map(([type, { sha256 }]) => ({ ...entry, type: type.toLowerCase(), sha256 })),
);
/** Text models that have a projector. */
const pairs = Object.entries(models).flatMap(([name, entry]) => {
  const projector = projectors.find(({ dir }) => dir === entry.dir);
  const isPair = projector !== undefined && !isProjector(entry) && !Object.hasOwn(pendingFamilies, name);
  return isPair
    ? [{ name, directory: projector.directory, text: entry.gguf, projector: projector.gguf }]
    : [];
});

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

async function hashes(path: string): Promise<ReadonlyMap<string, string>> {
  const model = await openModel({ store: directoryStore(path) });
  try {
    const found = new Map<string, string>();
    for (const { name, byteLength, shape, encoding } of model.tensors) {
      const bytes = await model.readBytes(name, 0, byteLength);
      const hash = createHash("sha256").update(bytes).digest("hex");
      found.set(name, `${encoding} ${shape.join("×")} ${hash}`);
    }
    return found;
  } finally {
    await model.close();
  }
}

describe.skipIf(projectors.length === 0)("projectors of the golden set (REQUANT_GOLDEN)", () => {
  it("are all 14", () => {
    expect(projectors.length).toBe(14);
  });

  it.each(files)("$name as $type is the file of llama.cpp's converter", async (entry) => {
    const made = join(folder, `${entry.name}-${entry.type}.gguf`);
    const words = ["convert", entry.directory, made, "--to", `gguf:${entry.type}`, "--part", "mmproj"];
    expect(await requant(...words)).toMatchObject({ status: 0 });
    expect(hashOf(made)).toBe(entry.sha256);
  });

  it.each(projectors)("$name comes back with the checkpoint's own tensors", async ({ name, directory }) => {
    const back = join(folder, `${name}-back`);
    // F32 holds what the projection in F16, and a norm with 1 added, have of the BF16 numbers
    const words = ["convert", join(folder, `${name}-f32.gguf`), back, "--to", "safetensors:bf16"];
    expect(await requant(...words)).toMatchObject({ status: 0 });
    const [own, made] = [await hashes(directory), await hashes(back)];
    const rest = [...own.keys()].filter((tensor) => !made.has(tensor));
    expect(
      rest.filter((tensor) => /visual|vision|audio_tower|projector|connector|mlp1/.test(tensor)),
    ).toEqual([]);
    const differing = [...made].filter(([tensor, hash]) => own.get(tensor) !== hash);
    expect(differing).toEqual([]);
  });

  it.each(pairs)("$name: one run writes the text model and the projector", async (pair) => {
    const out = join(folder, `${pair.name}-all.gguf`);
    const words = ["convert", pair.directory, out, "--to", "gguf:f32", "--part", "all", "--json"];
    const { status, out: report } = await requant(...words);
    expect(status).toBe(0);
    expect(hashOf(out)).toBe(pair.text["F32"]?.sha256);
    expect(hashOf(join(folder, `mmproj-${pair.name}-all.gguf`))).toBe(pair.projector["F32"]?.sha256);
    expect(JSON.parse(report).leftOut).toEqual([]);
  });

  it("beside a quantized text model, the projector is F16", async () => {
    const { directory } = pairs[0] ?? { directory: "" };
    const [alone, out] = [join(folder, "alone.gguf"), join(folder, "quantized.gguf")];
    await requant("convert", directory, alone, "--to", "gguf:f16", "--part", "mmproj");
    const words = ["convert", directory, out, "--to", "gguf:q8_0", "--part", "all"];
    expect(await requant(...words)).toMatchObject({ status: 0 });
    const quantized = ["convert", directory, out, "--to", "gguf:q4_0", "--part", "all", "--overwrite"];
    expect(await requant(...quantized)).toMatchObject({ status: 0 });
    expect(hashOf(join(folder, "mmproj-quantized.gguf"))).toBe(hashOf(alone));
  });
});

describe("projectors that are refused", () => {
  const kjv = join(import.meta.dirname, "../../../fixtures/kjv/hf");

  it.each([
    ["a model without one", [kjv, "--to", "gguf:f16", "--part", "mmproj"], /No vision or audio projector/],
    ["a type of llama-quantize", [kjv, "--to", "gguf:q4_k_m", "--part", "mmproj"], /not stored as Q4_K_M/],
    [
      "a target that has no parts",
      [kjv, "--to", "safetensors:f16", "--part", "all"],
      /does not take.*--part/,
    ],
  ])("%s", async (_, [model = "", ...words], message) => {
    const { status, err } = await requant(
      "convert",
      model,
      join(folder, words.includes("safetensors:f16") ? "no" : "no.gguf"),
      ...words,
    );
    expect(status).not.toBe(0);
    expect(err).toMatch(message);
  });

  it("a checkpoint that lost its encoder", async () => {
    const config = JSON.parse(readFileSync(join(kjv, "config.json"), "utf8"));
    const path = mkdtempSync(join(folder, "lost-"));
    for (const name of ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
      writeFileSync(join(path, name), readFileSync(join(kjv, name)));
    }
    const changed = { ...config, architectures: ["Gemma3ForConditionalGeneration"], vision_config: {} };
    writeFileSync(join(path, "config.json"), JSON.stringify(changed));
    const words = ["convert", path, join(folder, "no.gguf"), "--to", "gguf:f16", "--part", "mmproj"];
    const { status, err } = await requant(...words);
    expect(status).not.toBe(0);
    expect(err).toMatch(/no tensors of its vision side/);
  });
});
