/**
 * What programs read of packed formats. The oracle are the programs' own sources, as the formats' packages cite them; the models are
 * those that the formats' own tools have made.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
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

    /** A copy of a model, with its configuration files changed. */
    async function changed(change: (json: Record<string, unknown>) => unknown): Promise<MemoryStore> {
      const folder = join(golden ?? "", "kjv/gptq/gptq-4bit-g128-sym");
      const store = memoryStore({ name: "model" });
      for (const name of (await directoryStore(folder).list()) ?? []) {
        const bytes = readFileSync(join(folder, name));
        const isConfig = name === "config.json" || name === "quantize_config.json";
        const json = isConfig ? change(JSON.parse(bytes.toString("utf8"))) : undefined;
        if (isConfig && json === undefined) continue;
        store.files.set(
          name,
          isConfig ? new TextEncoder().encode(JSON.stringify(json)) : new Uint8Array(bytes),
        );
      }
      return store;
    }

    it("without a key that the program stops at", async () => {
      const store = await changed((json) =>
        JSON.parse(JSON.stringify(json).replaceAll('"desc_act"', '"no_such_key"')),
      );
      const { findings } = await examineModel({ store }, { runtime: "vllm", weights: false });
      expect(findings).toContainEqual(
        expect.objectContaining({ code: "unknown-to-runtime", severity: "error", key: "desc_act" }),
      );
    });

    it.each([
      ["vllm", true],
      ["transformers", true],
      ["exllamav2", false],
    ] as const)("without a configuration for %s: taken for floats is %s", async (runtime, isError) => {
      const store = await changed(({ quantization_config: _, ...json }) =>
        "model_type" in json ? json : undefined,
      );
      const { findings } = await examineModel({ store }, { runtime, weights: false });
      const said = findings.filter(({ key }) => key === "quantization_config");
      expect(said.map(({ severity, code }) => `${severity} ${code}`)).toEqual(
        isError ? ["error unknown-to-runtime"] : [],
      );
    });
  },
);
