/** The WebGPU adapter of this machine: of the browser, or in Node that of the npm package `webgpu`. */
async function findAdapter(): Promise<GPUAdapter | string> {
  try {
    if (globalThis.navigator?.gpu !== undefined) {
      return (await navigator.gpu.requestAdapter()) ?? "this browser has no WebGPU adapter";
    }
    if (!("process" in globalThis)) return "this browser has no WebGPU";
    const { nodeAdapter } = await import("@requant/calibrate/node");
    return await nodeAdapter();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const found = await findAdapter();

/** Why tests on WebGPU are skipped; undefined where there is an adapter. */
export const missingAdapter: string | undefined = typeof found === "string" ? found : undefined;

/** An adapter opens one device, so each call finds a new one. */
export async function freshAdapter(): Promise<GPUAdapter> {
  const adapter = await findAdapter();
  if (typeof adapter === "string") throw new Error(adapter);
  return adapter;
}
