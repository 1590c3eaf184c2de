import { UnsupportedError } from "@requant/core";
import { reasonOf, requestAdapter } from "./webgpu/device.ts";

/** The part of the npm package `webgpu` that is used. */
interface WebGpuPackage {
  create(options: string[]): GPU;
}

/** Not a literal: the package is not there where it is not used, and bundlers and the compiler would ask for it. */
const PACKAGE: string = "webgpu";

/** Devices stop when this is collected as garbage, so it stays. */
let gpu: GPU | undefined;

/**
 * The fast WebGPU adapter of this machine, by the npm package `webgpu`, which is installed beside this one.
 * @throws UnsupportedError where the package is not installed, cannot be loaded, or finds no adapter
 */
export async function nodeAdapter(): Promise<GPUAdapter> {
  gpu ??= (await loadPackage()).create([]);
  return requestAdapter(gpu);
}

async function loadPackage(): Promise<WebGpuPackage> {
  let found: unknown;
  try {
    found = await import(/* @vite-ignore */ PACKAGE);
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const state = isMissing ? "is not installed" : `cannot be loaded: ${reasonOf(cause)}`;
    throw new UnsupportedError(`WebGPU in Node needs the npm package webgpu, which ${state}.`, {
      cause,
      hint: "Install it with npm install webgpu, or compute on the CPU.",
    });
  }
  if (isWebGpuPackage(found)) return found;
  throw new UnsupportedError("The npm package webgpu has no function `create`.", {
    hint: "Install a newer version with npm install webgpu@latest.",
  });
}

function isWebGpuPackage(found: unknown): found is WebGpuPackage {
  return (
    typeof found === "object" && found !== null && "create" in found && typeof found.create === "function"
  );
}
