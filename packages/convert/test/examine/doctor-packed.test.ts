/**
 * What programs read of packed formats. The oracle are the programs' own sources, as the formats' packages cite them; the models are
 * those that the formats' own tools have made.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { readValues, unmetNeed } from "@requant/core/format";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import { weightFormats } from "../../src/formats.ts";
import { examineModel, type Runtime, runtimes } from "../../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const settings = { bits: "4", groupSize: 128, symmetric: true, variant: "v1" } as const;

describe("a need of a program", () => {
  it.each([
    ["bits", [4, 8], { bits: "3" }, "codes of 3 bits"],
    ["bits", [4, 8], { bits: "4+8" }, undefined],
    ["bits", [4], { bits: "4+5" }, "codes of 4+5 bits"],
    ["groupSize", [-1, 32], {}, "groups of 128 columns"],
    ["groupSize", [-1, 32], { groupSize: 64 }, undefined],
    ["symmetric", [true], { symmetric: false }, "zero points (asymmetric codes)"],
    ["variant", ["v1"], { variant: "planar" }, "the packing planar"],
  ] as const)("%s among %j, found %j: %s", (setting, among, change, message) => {
    // 64 columns: a group of 64 is one of all columns
    expect(unmetNeed({ setting, among }, { ...settings, ...change }, 64)).toBe(message);
  });

  it("is said in words", () => {
    expect(readValues({ setting: "groupSize", among: [-1, 32] })).toBe("groups of all, 32 columns");
    expect(readValues({ setting: "bits", among: [4, 8] })).toBe("4, 8 bits");
  });
});

it("the formats name only programs that doctor knows", () => {
  const named = new Set(weightFormats.flatMap(({ runtimes: table }) => Object.keys(table ?? {})));
  expect([...named].filter((name) => !runtimes.some((known) => known === name))).toEqual([]);
  expect(named.size).toBeGreaterThan(0);
});

describe.skipIf(golden === undefined || !existsSync(join(golden, "kjv")))(
  `models of the formats' own tools${golden === undefined ? " (skipped: REQUANT_GOLDEN is not set)" : ""}`,
  () => {
    const said = async (path: string, runtime?: Runtime): Promise<string[]> => {
      const { findings } = await examineModel(
        { store: directoryStore(join(golden ?? "", path)) },
        { runtime, weights: false },
      );
      return findings
        .filter(({ code }) => code === "unknown-to-runtime" || code === "runtime-limits")
        .map(({ severity, code }) => `${severity} ${code}`);
    };

    it.each([
      ["kjv/gptq/gptq-4bit-g128-sym", "vllm", []],
      ["kjv/gptq/gptq-4bit-g128-sym", "exllamav2", []],
      ["kjv/gptq/gptq-3bit-g128-sym", "vllm", ["warning runtime-limits"]],
      ["kjv/gptq/gptq-3bit-g128-sym", "transformers", []],
      ["kjv/gptq/gptq-3bit-g128-sym", "exllamav2", ["error unknown-to-runtime"]],
      ["kjv/gptq/gptq-4bit-g32-asym-act", "vllm", ["warning runtime-limits"]],
      ["kjv/gptq/gptq-4bit-g32-asym-act", "exllamav2", []],
      ["kjv/awq/awq-4bit-g128-gemm", "vllm", []],
      ["kjv/awq/awq-4bit-g128-gemm", "exllamav2", ["error unknown-to-runtime"]],
      ["kjv/exl2/exl2-4.0bpw-h6", "exllamav2", []],
      ["kjv/exl2/exl2-4.0bpw-h6", "vllm", ["error unknown-to-runtime"]],
    ] as const)("%s for %s: %j", async (path, runtime, expected) => {
      expect([...new Set(await said(path, runtime))]).toEqual(expected);
    });

    it("that one of the programs reads have no error where none was asked about", async () => {
      expect(new Set(await said("kjv/gptq/gptq-3bit-g128-sym"))).toEqual(
        new Set(["note runtime-limits", "note unknown-to-runtime"]),
      );
    });

    it("without a key that the program stops at", async () => {
      const folder = join(golden ?? "", "kjv/gptq/gptq-4bit-g128-sym");
      const store = memoryStore({ name: "model" });
      for (const name of (await directoryStore(folder).list()) ?? [])
        store.files.set(name, new Uint8Array(readFileSync(join(folder, name))));
      for (const name of ["config.json", "quantize_config.json"]) {
        const bytes = store.files.get(name);
        if (bytes === undefined) continue;
        const text = new TextDecoder().decode(bytes).replaceAll('"desc_act"', '"no_such_key"');
        store.files.set(name, new TextEncoder().encode(text));
      }
      const { findings } = await examineModel({ store }, { runtime: "vllm", weights: false });
      expect(findings).toContainEqual(
        expect.objectContaining({ code: "unknown-to-runtime", severity: "error", key: "desc_act" }),
      );
    });
  },
);
