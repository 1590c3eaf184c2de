/**
 * Products and second moments on WebGPU, in Node and in Chromium, on a software adapter or a real one. Oracles: sums in f64, made
 * here one number at a time, within the bound of the CPU's kernels.
 */
import { type Compute, referenceCompute, wasmCompute } from "@requant/calibrate";
import { type WebGpuComputeOptions, webgpuCompute } from "@requant/calibrate/webgpu";
import { CodecError } from "@requant/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bound, momentShapes, momentsError, numbers, productError, worstAbove } from "./numbers.ts";
import { freshAdapter, missingAdapter } from "./webgpu-adapter.ts";

/** One for most tests: a software adapter takes seconds to compile the program, once for each device. */
let device: GPUDevice | undefined;
const opened: Compute[] = [];
beforeAll(async () => {
  if (missingAdapter === undefined) device = await (await freshAdapter()).requestDevice();
});
afterAll(async () => {
  for (const compute of opened) await compute.close();
  device?.destroy();
});

/** Nothing is too small for the device. */
async function open(options: WebGpuComputeOptions = {}): Promise<Compute> {
  const compute = await webgpuCompute({ device, leastWork: 0, ...options });
  opened.push(compute);
  return compute;
}

/** An object of the device with some of its own properties; its methods work only on itself. */
function overlaid<T extends object>(target: T, own: object): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(name in own ? own : target, name);
      return typeof value === "function" && !(name in own) ? value.bind(target) : value;
    },
  });
}

/** Edges of tiles (128 × 64, 16 steps), and one past them. */
const shapes = [
  [2, 3, 0],
  [1, 1, 1],
  [3, 5, 7],
  [128, 64, 16],
  [129, 65, 17],
  [257, 130, 600],
  [5, 200, 257],
] as const;

describe.skipIf(missingAdapter !== undefined)(`WebGPU (skipped where none is: ${missingAdapter})`, () => {
  // a processor that stands in for a graphics card takes long to compile the program the first time
  beforeAll(async () => {
    await productError(await open(), [1, 1, 1]);
  }, 300_000);

  it.each(shapes)("multiplies [%d, k] with [%d, k], k = %d", async (...shape) => {
    expect(await productError(await open(), shape)).toBeLessThan(bound(shape[2]));
  });

  it.each(momentShapes)("adds the moments of [%d, %d]", async (tokens, columns) => {
    expect(await momentsError(await open(), tokens, columns)).toBeLessThan(bound(tokens));
  });

  it("takes matrices in parts where a buffer has no room for them", async () => {
    // 1024 numbers: three rows of a and b, 146 columns of out, 14 rows of x and of the moments
    const compute = await open({ bufferByteLength: 4096 });
    expect(await productError(compute, [8, 7, 300])).toBeLessThan(bound(300));
    expect(await productError(compute, [7, 300, 2])).toBeLessThan(bound(2));
    expect(await momentsError(compute, 20, 70)).toBeLessThan(bound(20));
  });

  it("leaves rows that no buffer has room for to the CPU", async () => {
    const compute = await open({ bufferByteLength: 4096 });
    expect(await productError(compute, [3, 2, 1025])).toBeLessThan(bound(1025));
    expect(await momentsError(compute, 2, 1025)).toBeLessThan(bound(2));
  });

  it("reads and writes the memory of the CPU's kernels, also when tasks are asked for at the same time", async () => {
    const compute = await open({ cpu: wasmCompute() });
    const placed = (values: Float32Array): Float32Array => {
      const place = compute.allocate(values.length);
      place.values.set(values);
      return place.values;
    };
    const errors = await Promise.all([
      productError(compute, [130, 70, 33], placed),
      productError(compute, [20, 300, 40], placed),
      momentsError(compute, 60, 90),
    ]);
    expect(Math.max(errors[0] ?? Number.NaN, errors[1] ?? Number.NaN)).toBeLessThan(bound(40));
    expect(errors[2]).toBeLessThan(bound(60));
  });

  it("keeps second moments on the device until they are read, as many as are allowed there", async () => {
    const columns = 100;
    const compute = await open({ sumsByteLength: 4 * columns * columns });
    const sums = compute.openMoments?.(columns);
    expect(compute.openMoments?.(1)).toBeUndefined();
    const x = numbers(90 * columns, 5);
    await sums?.add(x.subarray(0, 40 * columns), 40);
    await sums?.add(x.subarray(40 * columns), 50);
    expect(worstAbove((await sums?.read()) ?? new Float32Array(), x, columns)).toBeLessThan(bound(90));
    await sums?.add(x, 90);
    const doubled = Float32Array.from([...x, ...x]);
    expect(worstAbove((await sums?.read()) ?? new Float32Array(), doubled, columns)).toBeLessThan(bound(180));
    sums?.release();
    const again = compute.openMoments?.(columns);
    await again?.add(x, 90);
    expect(worstAbove((await again?.read()) ?? new Float32Array(), x, columns)).toBeLessThan(bound(90));
  });

  it("leaves what is small, attention and activations to the CPU", async () => {
    const calls: string[] = [];
    const cpu: Compute = {
      ...referenceCompute,
      product: () => void calls.push("product"),
      attention: () => void calls.push("attention"),
      activate: () => void calls.push("activate"),
      addMoments: () => void calls.push("addMoments"),
      close: async () => void calls.push("close"),
    };
    const compute = await webgpuCompute({ adapter: await freshAdapter(), cpu });
    const one = new Float32Array(1);
    await compute.product(one, one, 1, 1, 1, one);
    await compute.attention([]);
    await compute.activate("silu", undefined, one);
    await compute.addMoments(one, 1, 1, one);
    await compute.close();
    expect(calls).toEqual(["product", "attention", "activate", "addMoments", "close"]);
  });

  it("refuses an array of the wrong length by its name", async () => {
    const two = new Float32Array(2);
    const compute = await open();
    await expect(async () => compute.product(two, two, 1, 1, 2, two)).rejects.toThrow(
      "The array out has 2 numbers, and 1 are needed.",
    );
  });

  it("refuses further work when the device is lost, and says what to do", async () => {
    const own = await (await freshAdapter()).requestDevice();
    const compute = await open({ device: own });
    own.destroy();
    const fault: unknown = await productError(compute, [2, 2, 2]).catch((error: unknown) => error);
    if (!(fault instanceof CodecError)) throw new Error(`This is no refusal: ${fault}`);
    expect(fault.code).toBe("IO");
    expect(fault.message).toContain("The WebGPU device was lost");
    expect(fault.hint).toContain("compute on the CPU");
    await expect(async () => compute.openMoments?.(1)?.add(new Float32Array(1), 1)).rejects.toThrow(
      "The WebGPU device was lost",
    );
  });

  it("refuses sums that the memory of the device has no room for", async () => {
    // stands for a full memory: the device says so in the scope that is open
    const scopes: GPUErrorFilter[] = [];
    const full = overlaid(await (await freshAdapter()).requestDevice(), {
      pushErrorScope: (filter: GPUErrorFilter) => void scopes.push(filter),
      popErrorScope: async () => (scopes.pop() === "out-of-memory" ? { message: "full" } : null),
    });
    const compute = await open({ device: full });
    await expect(async () => compute.openMoments?.(1)?.add(new Float32Array(1), 1)).rejects.toThrow(
      "The memory of the WebGPU device has no room",
    );
    full.destroy();
  });

  it("gives the device no second order before it has done the first: inputs that wait take memory", async () => {
    const own = await (await freshAdapter()).requestDevice();
    const events: string[] = [];
    const queue = overlaid(own.queue, {
      submit(commands: Iterable<GPUCommandBuffer>) {
        events.push("order");
        own.queue.submit(commands);
      },
      async onSubmittedWorkDone() {
        await own.queue.onSubmittedWorkDone();
        events.push("done");
      },
    });
    const compute = await open({ device: overlaid(own, { queue }) });
    const sums = compute.openMoments?.(3);
    for (let i = 0; i < 3; i++) await sums?.add(numbers(6, 1), 2);
    await compute.close();
    expect(events.slice(0, 5)).toEqual(["order", "done", "order", "done", "order"]);
    own.destroy();
  });

  it("names the device", async () => {
    expect((await open({ cpu: referenceCompute })).name).toMatch(/^WebGPU \(.+\), and TypeScript$/);
  });
});
