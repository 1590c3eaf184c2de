/**
 * A guard of speed that needs no clock: reads, calls of kernels, and large arrays that a run makes. Each count is what a
 * model of more layers adds, for each MB that it adds, so that opening and planning do not count.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { floatDirectory, packedDirectory } from "./packed-models.ts";

/** Rows of the feed-forward weights of the two models. */
const FEED_FORWARD = { small: 2048, large: 10_240 };

/** Arrays from this length on count: bands, not figures of a few numbers. */
const LARGE = 4096;

interface Counts {
  reads: number;
  bytesRead: number;
  kernelCalls: number;
  arrays: number;
  arrayBytes: number;
}

type Count = keyof Counts;

const nothing: Counts = {
  reads: 0,
  bytesRead: 0,
  kernelCalls: 0,
  arrays: 0,
  arrayBytes: 0,
};

const counts = { ...nothing };

/** Counts each call of what a WebAssembly module exports. */
function countKernels(): void {
  const { Instance } = WebAssembly;
  class CountedInstance {
    readonly exports: WebAssembly.Exports;
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      const { exports } = new Instance(module, imports);
      this.exports = Object.fromEntries(
        Object.entries(exports).map(([name, value]) => {
          if (typeof value !== "function") return [name, value];
          const called = (...operands: unknown[]): unknown => {
            counts.kernelCalls += 1;
            return Reflect.apply(value, undefined, operands);
          };
          return [name, called];
        }),
      );
    }
  }
  vi.stubGlobal("WebAssembly", Object.assign(Object.create(WebAssembly), { Instance: CountedInstance }));
}

/** Counts large arrays that are made with memory of their own. */
function countArrays(): void {
  for (const name of ["Uint8Array", "Float32Array", "Float64Array", "Int32Array", "Uint32Array"] as const) {
    const counted = new Proxy(globalThis[name], {
      construct(target, given: unknown[], asked) {
        const array: unknown = Reflect.construct(target, given, asked);
        const ownsMemory = !(given[0] instanceof ArrayBuffer) && !(given[0] instanceof SharedArrayBuffer);
        if (ArrayBuffer.isView(array) && ownsMemory && array.byteLength >= LARGE) {
          counts.arrays += 1;
          counts.arrayBytes += array.byteLength;
        }
        return array as object;
      },
    });
    vi.stubGlobal(name, counted);
  }
}

/** A store whose reads are counted. */
function countedReads(store: ReadStore): ReadStore {
  return {
    ...store,
    async open(path) {
      const found = await store.open(path);
      if (found === undefined || !path.endsWith(".safetensors")) return found;
      const note = (byteLength: number): void => {
        counts.reads += 1;
        counts.bytesRead += byteLength;
      };
      return {
        ...found,
        read(start, end) {
          note(end - start);
          return found.read(start, end);
        },
        readInto(target, start) {
          note(target.byteLength);
          return found.readInto(target, start);
        },
      };
    },
  };
}

type Source = "floats" | "packed";

const directories: Readonly<Record<Source, (feedForward: number) => Promise<ReadStore>>> = {
  floats: (feedForward) => floatDirectory("BF16", 1, { keyValueHeads: 2, feedForward }),
  packed: (feedForward) =>
    packedDirectory("gptq", ["4bit", "128g", "sym"], { bits: 4, groupSize: 128, sym: true }, 2, {
      keyValueHeads: 2,
      feedForward,
    }),
};

let folder = "";
// before the package is loaded, so that its kernels are compiled under the counter
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-work-counts-"));
  countKernels();
  countArrays();
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true, force: true });
});

interface Counted extends Counts {
  readonly stored: number;
}

async function countsOf(source: Source, target: string, feedForward: number): Promise<Counted> {
  const { openModel, parseTarget, planConversion, runPlan } = await import("../../src/index.ts");
  const model = await openModel({ store: countedReads(await directories[source](feedForward)) });
  try {
    const plan = await planConversion(model, parseTarget(target));
    const output = directoryStore(join(folder, `${source}-${target.replace(":", "-")}-${feedForward}`));
    Object.assign(counts, nothing);
    await runPlan(plan, model, output);
    return { ...counts, stored: model.storedTensors.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  } finally {
    await model.close();
  }
}

/** Most for each MB of the source. Floats: four calls of kernels for each 32,768 weights, which stay in a core's cache. */
const most = {
  floats: { reads: 0.5, kernelCalls: 100 },
  // files of one weight fit in one read each; a call makes a tile of 65,536 weights, whose blocks stay in a core's cache
  packed: { reads: 0.5, kernelCalls: 28 },
} as const;

/** Bytes of new arrays for each MB: bands are made in memory that is taken once. */
const MOST_ARRAY_BYTES = 16_000;

describe("what a run adds for each MB of its source", () => {
  it.each([
    ["floats", "gguf:q8_0"],
    ["floats", "gguf:q4_k_m"],
    ["packed", "gguf:q4_0"],
  ] as const)("%s to %s", async (source, target) => {
    const small = await countsOf(source, target, FEED_FORWARD.small);
    const large = await countsOf(source, target, FEED_FORWARD.large);
    const megabytes = (large.stored - small.stored) / 1e6;
    expect(megabytes).toBeGreaterThan(3);
    const more = (count: Count): number => (large[count] - small[count]) / megabytes;
    // every byte once
    expect(more("bytesRead")).toBe(1e6);
    expect(more("reads")).toBeLessThanOrEqual(most[source].reads);
    expect(more("kernelCalls")).toBeGreaterThan(0);
    expect(more("kernelCalls")).toBeLessThanOrEqual(most[source].kernelCalls);
    expect(more("arrayBytes")).toBeLessThanOrEqual(MOST_ARRAY_BYTES);
    expect(large.arrays - small.arrays).toBeLessThanOrEqual(1);
  });
});
