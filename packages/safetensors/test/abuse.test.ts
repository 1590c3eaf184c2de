/** The hostile safetensors files and folders of the golden set, each with the outcome that its manifest requires. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isCodecError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { openSafetensors } from "../src/index.ts";

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
  limits: z.object({ max_seconds: z.number(), max_rss_mb: z.number() }),
  recipe: z.object({ base: z.string(), name: z.string(), truncate_to: z.number() }).optional(),
});

const cases = golden
  ? z
      .object({ cases: z.array(caseSchema) })
      .parse(JSON.parse(readFileSync(join(abuse, "manifest.json"), "utf8")))
      .cases.filter(({ category }) => category.startsWith("st-"))
  : [];

const scratch = mkdtempSync(join(tmpdir(), "requant-safetensors-abuse-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function outcome(path: string): Promise<{ outcome: string; code?: string; message?: string }> {
  try {
    const set = statSync(path).isDirectory()
      ? await openSafetensors(directoryStore(path))
      : await openSafetensors(directoryStore(dirname(path)), { file: basename(path) });
    await set.close();
    return { outcome: set.findings.length > 0 ? "accept-with-warning" : "accept" };
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return { outcome: "refuse", code: error.code, message: error.message };
  }
}

describe.skipIf(!golden)("hostile safetensors files (skipped: REQUANT_GOLDEN is not set)", () => {
  it("finds the cases", () => {
    expect(cases.length).toBeGreaterThan(50);
  });

  it.each(cases)("$id", async ({ arg, recipe, limits, ...wanted }) => {
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
    expect([wanted.expect, ...wanted.tolerated], JSON.stringify(found)).toContain(found.outcome);
    if (found.outcome === "refuse" && wanted.expect === "refuse") {
      expect([wanted.error_class, ...wanted.also_ok_class], JSON.stringify(found)).toContain(found.code);
    }
    expect(found.outcome, JSON.stringify(found)).toBe(chosen[wanted.id] ?? wanted.expect);
  });
});

/** Tolerated outcomes that Requant chooses over the expected one. */
const chosen: Readonly<Record<string, string>> = {
  // the tensors that the index leaves out are reported
  "index-subset": "accept-with-warning",
};
