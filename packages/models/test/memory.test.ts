/**
 * The memory that a context takes. Oracle: the buffers that llama.cpp v0.5.0 reports when it loads files of true widths
 * (`fixtures/family-shapes.ts`). `vectors/memory/llama-cpp.json` keeps its figures; REQUANT_LONG=1 measures all of them again,
 * and REQUANT_RECORD=1 beside it writes them.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { familyMetadata, familyTensors, makeFamilyFile } from "../../../fixtures/family-files.ts";
import { type FamilyShape, familyShapes } from "../../../fixtures/family-shapes.ts";
import { type LlamaBuffers, llamaBuffers } from "../../../fixtures/llama-buffers.ts";
import { loadLlama } from "../../../fixtures/llama-client.ts";
import { isLongRun } from "../../../fixtures/long-tests.ts";
import { contextBuffers } from "../src/index.ts";

const vectors = resolve(import.meta.dirname, "vectors/memory/llama-cpp.json");
const recorded: Record<string, readonly LlamaBuffers[]> = JSON.parse(readFileSync(vectors, "utf8"));

const MEBIBYTE = 2 ** 20;
const CONTEXTS = [2048, 8192, 32_768].flatMap((tokens) => [`${tokens}/F16`, `${tokens}/Q8_0`]);

const cacheTypes: Readonly<Record<string, { blockSize: number; blockByteLength: number }>> = {
  F16: { blockSize: 1, blockByteLength: 2 },
  Q8_0: { blockSize: 32, blockByteLength: 34 },
};

function estimated(shape: FamilyShape, context: string): Omit<LlamaBuffers, "context" | "weights"> {
  const [tokens = "", name = ""] = context.split("/");
  const type = cacheTypes[name];
  const shapes = new Map(familyTensors(shape).map((tensor) => [tensor.name, tensor.shape]));
  const buffers =
    type === undefined
      ? undefined
      : contextBuffers(familyMetadata(shape), shapes, {
          context: Number(tokens),
          cacheType: { name, ...type },
        });
  if (buffers === undefined) throw new Error(`${shape.like} is not understood.`);
  expect(buffers.computeFrom).toBe("graph");
  const { cache, state, output, compute } = buffers;
  return {
    cache: cache / MEBIBYTE,
    state: state / MEBIBYTE,
    output: output / MEBIBYTE,
    compute: compute / MEBIBYTE,
  };
}

/** How far an estimate may be from what llama.cpp reports, of it; sizes below 1 MiB are printed with too few digits. */
const TOLERANCE = 0.02;

function expectClose(shape: FamilyShape, reported: LlamaBuffers): void {
  const found = estimated(shape, reported.context);
  let [sum, whole] = [0, 0];
  for (const buffer of ["cache", "state", "output", "compute"] as const) {
    sum += found[buffer];
    whole += reported[buffer];
    const least = reported[buffer] > 1 ? TOLERANCE * reported[buffer] : 0.03;
    expect(Math.abs(found[buffer] - reported[buffer]), `${buffer} of ${reported.context}`).toBeLessThan(
      least,
    );
  }
  expect(Math.abs(sum - whole), `the sum of ${reported.context}`).toBeLessThan(TOLERANCE * whole);
}

describe.each(familyShapes)("$architecture, like $like", (shape) => {
  it.each(CONTEXTS)("takes what llama.cpp reported for %s", (context) => {
    const reported = recorded[shape.like]?.find((one) => one.context === context);
    expect(reported, "a recorded figure").toBeDefined();
    if (reported !== undefined) expectClose(shape, reported);
  });
});

it("counts inputs and logits of a batch where the tensors are not known", () => {
  const [shape] = familyShapes;
  if (shape === undefined) throw new Error("There is no shape.");
  const request = { context: 2048, cacheType: { name: "F16", blockSize: 1, blockByteLength: 2 } };
  // Llama 3.1 8B: 512 tokens with two vectors of 4096 and the logits of 128,256 tokens in F32
  expect(contextBuffers(familyMetadata(shape), new Map(), request)).toMatchObject({
    computeFrom: "outputs",
    compute: 512 * (2 * 4096 + 128_256) * 4,
  });
});

describe("llama.cpp itself", async () => {
  const folder = mkdtempSync(join(tmpdir(), "requant-memory-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const client = await loadLlama();
  const measured: Record<string, readonly LlamaBuffers[]> = {};
  const chosen = familyShapes.filter(({ like }) => isLongRun || like === "Phi-3 mini 128k");
  it.skipIf("reason" in client).each(chosen)(
    "reports the same for $like",
    async (shape) => {
      const path = join(folder, "model.gguf");
      makeFamilyFile(path, shape);
      const hasWindows = shape.keys["attention.sliding_window"] !== undefined;
      const rows = await llamaBuffers(path, hasWindows, isLongRun ? CONTEXTS : CONTEXTS.slice(0, 2));
      rmSync(path);
      measured[shape.like] = rows;
      for (const row of rows) expectClose(shape, row);
    },
    600_000,
  );
  it.skipIf("reason" in client).for(chosen)("has the weights of the file for $like", (shape, { skip }) => {
    const [row] = measured[shape.like] ?? [];
    const rearranged = row?.rearranged?.join(", ") ?? "";
    skip(rearranged !== "", `llama.cpp rearranges weights for this processor: ${rearranged}`);
    const bytes = familyTensors(shape).reduce((all, tensor) => all + storedByteLength(tensor), 0);
    expect(bytes / MEBIBYTE).toBeCloseTo(row?.weights ?? 0, 0);
  });
  afterAll(() => {
    if (process.env["REQUANT_RECORD"] === "1")
      writeFileSync(vectors, `${JSON.stringify(measured, null, 1)}\n`);
  });
});

function storedByteLength({
  shape,
  encoding,
}: {
  readonly shape: readonly number[];
  readonly encoding: "F32" | "Q4_1";
}): number {
  const count = shape.reduce((product, size) => product * size, 1);
  return encoding === "F32" ? 4 * count : (count / 32) * 20;
}
