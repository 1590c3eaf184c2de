/** The hostile GGUF files of the golden set, each with the outcome that its manifest requires. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isCodecError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { openGgufFile } from "../src/index.ts";

const golden = process.env["REQUANT_GOLDEN"];
const abuse = join(golden ?? "", "abuse");

const caseSchema = z.object({
  id: z.string(),
  arg: z.string(),
  category: z.string(),
  expect: z.enum(["refuse", "accept", "accept-with-warning"]),
  tolerated: z.array(z.string()).default([]),
  error_class: z.string().nullish(),
  also_ok_class: z.array(z.string()).default([]),
  stage: z.string(),
  limits: z.object({ max_seconds: z.number(), max_rss_mb: z.number() }),
  recipe: z.object({ base: z.string(), name: z.string(), truncate_to: z.number() }).optional(),
});

const cases = golden
  ? z
      .object({ cases: z.array(caseSchema) })
      .parse(JSON.parse(readFileSync(join(abuse, "manifest.json"), "utf8")))
      .cases.filter(({ category }) => category.startsWith("gguf-") && category !== "gguf-imatrix")
  : [];

const scratch = mkdtempSync(join(tmpdir(), "requant-gguf-abuse-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The outcome of opening the file and decoding all of its metadata. */
async function outcome(path: string): Promise<{ outcome: string; code?: string; message?: string }> {
  try {
    const set = await openGgufFile(directoryStore(dirname(path)), basename(path));
    for (const part of set.parts) for (const value of part.metadata.values()) void value.value;
    await set.close();
    const warned = set.parts.some((part) => part.findings.length > 0);
    return { outcome: warned ? "accept-with-warning" : "accept" };
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return { outcome: "refuse", code: error.code, message: error.message };
  }
}

describe.skipIf(!golden)("hostile GGUF files (skipped: REQUANT_GOLDEN is not set)", () => {
  it("finds the cases", () => {
    expect(cases.length).toBeGreaterThan(100);
  });

  it.each(cases)("$id", async ({ arg, recipe, stage, limits, ...wanted }) => {
    let path = join(abuse, arg);
    if (recipe !== undefined) {
      path = join(scratch, recipe.name);
      mkdirSync(dirname(path), { recursive: true });
      copyFileSync(join(abuse, recipe.base), path);
      truncateSync(path, recipe.truncate_to);
    }
    const start = performance.now();
    const found = await outcome(path);
    expect(performance.now() - start).toBeLessThan(1000 * limits.max_seconds);
    // before its stage any clean outcome is fine
    if (stage !== "inspect") return;
    expect([wanted.expect, ...wanted.tolerated], JSON.stringify(found)).toContain(found.outcome);
    if (found.outcome === "refuse" && wanted.expect === "refuse") {
      expect([wanted.error_class, ...wanted.also_ok_class], JSON.stringify(found)).toContain(found.code);
    }
    // Requant gives the preferred outcome, except where the note states why not
    expect(found.outcome, JSON.stringify(found)).toBe(stricter[wanted.id] ?? wanted.expect);
  });
});

/** Tolerated outcomes that Requant chooses over the expected one: the specification allows it, llama.cpp does not. */
const stricter: Readonly<Record<string, string>> = {
  "valid-unordered": "accept-with-warning",
  "valid-gap": "accept-with-warning",
};
