/**
 * llama.cpp loads the GGUF of each golden family. Oracle: llama.cpp itself, at the version that node-llama-cpp brings. The
 * bytes of these files are compared with its converter's in `golden.test.ts`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { goldenFamilies } from "../../../../fixtures/arch-golden.ts";
import { loadLlama } from "../../../../fixtures/llama-client.ts";
import { llamaVerdicts } from "../../../../fixtures/llama-verdicts.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-families-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Files that the bundled llama.cpp does not load, and what it says. */
const refusals: Readonly<Record<string, RegExp>> = {
  // it knows this family with a width per layer of 256 only; the golden model has 8
  gemma3n: /tensor 'per_layer_token_embd\.weight' has wrong shape; expected +1280, +568, got +40, +568/,
};

async function ggufOf(path: string): Promise<Uint8Array> {
  const model = await openModel({ store: directoryStore(path) });
  try {
    const output = memoryStore({ name: "o" });
    const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "o" });
    await runPlan(plan, model, output, { check: false });
    return output.files.get("o.gguf") ?? new Uint8Array(0);
  } finally {
    await model.close();
  }
}

const client = await loadLlama();
const skipped =
  goldenFamilies.length === 0 ? "REQUANT_GOLDEN is not set" : "reason" in client ? client.reason : undefined;

describe.skipIf(skipped !== undefined)(
  `llama.cpp loads the families${skipped === undefined ? "" : ` (skipped: ${skipped})`}`,
  () => {
    it(`each of ${goldenFamilies.length}, but for those named here`, { timeout: 600_000 }, async () => {
      const files = new Map<string, string>();
      for (const { name, path } of goldenFamilies) {
        const file = join(folder, `${name}.gguf`);
        writeFileSync(file, await ggufOf(path));
        files.set(name, file);
      }
      const verdicts = await llamaVerdicts([...files.values()], { onlyLoad: true });
      for (const [name, file] of files) {
        const { does, says } = verdicts.get(file) ?? { does: "was not asked", says: "" };
        const refusal = refusals[name];
        if (refusal === undefined) expect(`${name} ${does} ${says}`).toBe(`${name} loads `);
        else expect(`${name} ${does} ${says}`).toMatch(refusal);
      }
      expect(files.size - Object.keys(refusals).length).toBeGreaterThan(140);
    });
  },
);
