/**
 * A new format is one package and one line: the toy format of fixtures/toy-format is added to a copy of the sources, and
 * every command and the fuzzer must find it there without another change.
 */
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { houseWithToy, type Ran } from "./toy-format/house.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");
const house = houseWithToy(join(fixtures, "toy-format"));
const hf = join(fixtures, "kjv/hf");
const at = (name: string): string => join(house.folder, "models", name);

const convert = (from: string, to: string, target: string, ...rest: string[]): string[] => [
  "convert",
  from,
  at(to),
  "--to",
  target,
  "--json",
  ...rest,
];

/** The embedding and the head are not linear layers of the decoder, so they keep their type. */
const floatEnds = ["--output-tensor", "bf16", "--token-embedding", "bf16"];

const commands: Readonly<Record<string, string[]>> = {
  "floats to toy": convert(hf, "toy", "toy4:f16"),
  "floats to toy, f32 scales": convert(hf, "toy-f32", "toy4:f32"),
  "toy to Q8_0": convert(at("toy"), "q8_0.gguf", "gguf:q8_0", "--exact", ...floatEnds),
  "toy to F16": convert(at("toy"), "f16.gguf", "gguf:f16"),
  "toy to floats": convert(at("toy"), "floats", "safetensors:f32", "--exact"),
  "toy to toy": convert(at("toy"), "copy", "toy4:f16", "--exact"),
  "floats back to toy": convert(at("floats"), "back", "toy4:f16"),
  "GPTQ from toy": convert(at("toy"), "gptq", "gptq:8bit-colg-sym", "--exact"),
  "verify Q8_0": ["verify", at("toy"), at("q8_0.gguf"), "--json"],
  "verify floats": ["verify", at("toy"), at("floats"), "--json"],
  "verify copy": ["verify", at("toy"), at("copy"), "--json"],
  "verify back": ["verify", at("toy"), at("back"), "--json"],
  "verify GPTQ": ["verify", at("toy"), at("gptq"), "--json"],
  inspect: ["inspect", at("toy"), "--json"],
  doctor: ["doctor", at("toy"), "--json"],
  dump: ["dump", at("toy"), "model.layers.0.mlp.up_proj.weight", "--json"],
  "plan of toy": ["plan", at("toy"), "--to", "gguf:q4_k_m"],
  "plan to toy": ["plan", at("toy-f32"), "--to", "toy4:f16", "--json"],
  "exact refused": convert(at("gptq"), "no", "toy4:f32", "--exact"),
  "fake-quantize": ["fake-quantize", hf, at("fake"), "--to", "toy4:f16"],
  "verify fake": ["verify", at("toy"), at("fake"), "--json"],
  "unknown format": convert(hf, "no", "toy5:f16"),
  "unknown word": convert(hf, "no", "toy4:f8"),
};

let ran: ReadonlyMap<string, Ran>;
beforeAll(() => {
  const all = house.run(...Object.values(commands));
  ran = new Map(Object.keys(commands).map((name, index) => [name, all[index] as Ran]));
}, 300_000);
afterAll(() => rmSync(house.folder, { recursive: true, force: true }));

function result(name: string): Ran {
  const found = ran.get(name);
  if (found === undefined) throw new Error(`${name} did not run.`);
  return found;
}

/** The JSON output of a successful command. */
function json(name: string): Record<string, unknown> {
  const { status, out, err } = result(name);
  expect(status, `${name}: ${err}`).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
}

describe("a format is one package and one line", () => {
  it("changes no file but the list, and the dependencies that name the package", () => {
    expect(house.changed).toEqual({
      "packages/convert/package.json": ['    "@requant/toy4": "workspace:*",'],
      "packages/convert/src/formats.ts": ['import { toy4Format } from "@requant/toy4";', "  toy4Format,"],
    });
  });

  it("is a target: the messages that list targets have its words", () => {
    expect(result("unknown format").err).toMatch(/Did you mean toy4\?/);
    expect(result("unknown word").err).toMatch(/f16 or f32 \(scales\)/);
    expect([result("unknown format").status, result("unknown word").status]).toEqual([2, 2]);
  });

  it("is written and read: inspect measures it next to its configuration", () => {
    expect(json("floats to toy")["fidelity"]).toMatchObject({ copy: 9, requantized: 21 });
    const { format, measured } = json("inspect");
    expect(format).toBe("toy4");
    expect(measured).toEqual(
      expect.arrayContaining([expect.objectContaining({ label: "bits", measured: "4", agrees: true })]),
    );
    expect(result("inspect").out).not.toMatch(/not known/);
  });

  it.each(["Q8_0", "floats", "copy", "back", "GPTQ", "fake"])(
    "keeps every value in the conversion %s",
    (name) => {
      expect(json(`verify ${name}`)).toMatchObject({ equal: true });
    },
  );

  it("is copied where the layouts are equal, and plans state the cost of each way", () => {
    expect(json("toy to toy")["fidelity"]).toMatchObject({ copy: 30 });
    expect(json("toy to Q8_0")["fidelity"]).toMatchObject({ copy: 2, exact: 28 });
    // a scale of 11 bits times a level of 6 bits is no f16 number: these weights are rounded
    expect(json("toy to F16")["fidelity"]).toMatchObject({ exact: 7, float: 21 });
    expect(result("plan of toy").out).toMatch(/TOY4 +Q4_K +requantized/);
    expect(json("plan to toy")["target"]).toMatchObject({ format: "toy4", settings: { scales: "f16" } });
    expect(result("exact refused")).toMatchObject({
      status: 5,
      err: expect.stringMatching(/sixteen levels/),
    });
  });

  it("is examined by doctor and shown by dump", () => {
    expect(json("doctor")).toMatchObject({ findings: [], examined: { tensors: 30, weights: true } });
    expect(json("dump")).toMatchObject({ shape: [512, 256], encoding: "TOY4", nans: 0 });
  });

  it("is fuzzed", () => {
    for (const target of ["codec-toy4", "config-toy4"]) {
      const report = house.script("fuzz/main.ts", target, "--runs", "300", "--seed", "1");
      expect(report).toMatch(new RegExp(`${target} +300 executions .* 0 finds`));
    }
  });
});
