/** Hostile and broken files through the library, in one process: only `CodecError`s, in bounded time, with the outcome of the manifest. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isCodecError, memoryStore } from "@requant/core";
import { directoryStore, fileSource } from "@requant/core/node";
import { imatrixWeights, readImatrix } from "@requant/gguf";
import { afterAll, describe, expect, it } from "vitest";
import { type AbuseCase, abuseSet, isHuge, modelPath, readCases } from "../../../fixtures/abuse-cases.ts";
import {
  examineModel,
  inspectModel,
  type Model,
  metadataLines,
  modelFindings,
  openModel,
  outputFindings,
  parseTarget,
  planConversion,
  runPlan,
  verifyFindings,
  verifyModels,
  warningsOf,
} from "../src/index.ts";

const set = abuseSet();
const scratch = mkdtempSync(join(tmpdir(), "requant-convert-abuse-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Outcome {
  readonly outcome: string;
  readonly code?: string;
  readonly message?: string;
}

/** What one step comes to; an error that is not ours ends the test. */
async function outcomeOf(step: () => Promise<number>): Promise<Outcome> {
  try {
    return { outcome: (await step()) > 0 ? "accept-with-warning" : "accept" };
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return { outcome: "refuse", code: error.code, message: error.message };
  }
}

async function withModel<T>(path: string, work: (model: Model) => Promise<T>): Promise<T> {
  const isFolder = statSync(path).isDirectory();
  const store = directoryStore(isFolder ? path : dirname(path));
  const model = await openModel(isFolder ? { store } : { store, file: basename(path) });
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}

type Stage = "inspect" | "verify" | "convert";
const stages: readonly Stage[] = ["inspect", "verify", "convert"];

/** Each returns the number of warnings. */
const steps: Readonly<Record<Stage, (path: string, abuse: AbuseCase) => Promise<number>>> = {
  inspect: (path) =>
    withModel(path, async (model) => {
      await inspectModel(model);
      if (model.gguf !== undefined) metadataLines(model.gguf.metadata);
      return warningsOf(await modelFindings(model)).length;
    }),
  verify: (path) =>
    withModel(path, async (model) => {
      const report = await verifyModels(model, model);
      const warnings = warningsOf(await modelFindings(model, { vocabulary: true }));
      return warnings.length + verifyFindings(report).length;
    }),
  convert: (path, { category, args }) =>
    withModel(path, async (model) => {
      const target = args.convert_to ?? (category.startsWith("gguf") ? "q8_0" : "f16");
      const imatrix = args.imatrix === undefined ? undefined : await weightsOf(join(set, args.imatrix));
      const plan = await planConversion(model, parseTarget(`gguf:${target}`), { imatrix });
      const output = memoryStore();
      await runPlan(plan, model, output, { imatrix: imatrix?.weights });
      expect(output.files.size).toBe(plan.files.length);
      const warnings = warningsOf(await modelFindings(model, { vocabulary: true }));
      return warnings.length + outputFindings(plan).length;
    }),
};

async function weightsOf(path: string): Promise<{ weights: Map<string, Float32Array> }> {
  const source = await fileSource(path);
  try {
    return { weights: imatrixWeights(await readImatrix(source)) };
  } finally {
    await source.close();
  }
}

describe("hostile files", () => {
  it.each(readCases(set))("$id: $wrong ($reference)", async (abuse) => {
    const path = modelPath(set, scratch, abuse);
    const wanted: readonly string[] = [abuse.expect, ...abuse.tolerated];
    for (const stage of isHuge(abuse) ? (["inspect"] as const) : stages) {
      const started = process.cpuUsage();
      const found = await outcomeOf(() => steps[stage](path, abuse));
      const { user, system } = process.cpuUsage(started);
      expect((user + system) / 1e6, stage).toBeLessThan(abuse.limits.max_seconds);
      const isLater = stages.indexOf(stage) > stages.indexOf(abuse.stage);
      if (stages.indexOf(stage) < stages.indexOf(abuse.stage)) continue;
      // what can be read need not be convertible
      if (isLater && wanted.some((outcome) => outcome !== "refuse")) continue;
      expect(wanted, `${stage}: ${JSON.stringify(found)}`).toContain(found.outcome);
      if (found.outcome === "refuse" && abuse.expect === "refuse")
        expect([abuse.error_class, ...abuse.also_ok_class], `${stage}: ${found.message}`).toContain(
          found.code,
        );
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain("polluted");
  });

  it.each(
    readCases(set).filter(
      ({ expect: wanted, category, tolerated }) =>
        // the importance matrix is another file; what may be accepted as it is may be well
        wanted === "refuse" && category !== "gguf-imatrix" && !tolerated.includes("accept"),
    ),
  )("the doctor has something to say about $id", async (abuse) => {
    const path = modelPath(set, scratch, abuse);
    const isFolder = statSync(path).isDirectory();
    const store = directoryStore(isFolder ? path : dirname(path));
    const report = await examineModel(isFolder ? { store } : { store, file: basename(path) });
    expect(report.ok).toBe(false);
    for (const { code, message, hint } of report.findings) {
      expect(code).toMatch(/^[a-z0-9-]+$/);
      expect(message).toMatch(/\S/);
      expect(hint).toMatch(/\.$/);
    }
  });
});
