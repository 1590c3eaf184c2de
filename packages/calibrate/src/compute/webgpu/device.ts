import { IoError, LimitError, UnsupportedError } from "@requant/core";

/** Where a device comes from. */
export interface DeviceOptions {
  /** A device that is open already; it stays open. Its limits decide how large the parts of a matrix are. */
  readonly device?: GPUDevice | undefined;
  /** What opens the device: of `nodeAdapter` in Node. Default: the fast adapter of the browser. */
  readonly adapter?: GPUAdapter | undefined;
}

/** A device, and what to say about it. */
export interface OpenedDevice {
  readonly device: GPUDevice;
  /** For people: "NVIDIA GeForce RTX 4090". */
  readonly name: string;
  /** False where the device belongs to the caller. */
  readonly own: boolean;
}

/** @throws UnsupportedError where there is no adapter, IoError for one that opens no device */
export async function openDevice(options: DeviceOptions): Promise<OpenedDevice> {
  if (options.device !== undefined) {
    return { device: options.device, name: nameOf(options.device.adapterInfo), own: false };
  }
  const adapter = options.adapter ?? (await browserAdapter());
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  try {
    const device = await adapter.requestDevice({
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    });
    return { device, name: nameOf(adapter.info), own: true };
  } catch (cause) {
    throw new IoError(`The WebGPU adapter opened no device: ${reasonOf(cause)}.`, {
      cause,
      hint: "Compute on the CPU, which needs no such device.",
    });
  }
}

/** An adapter that finds a fast graphics card. @throws UnsupportedError where there is none */
export async function requestAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter !== null) return adapter;
  throw new UnsupportedError("WebGPU finds no adapter on this machine.", {
    hint: "Install the driver of the graphics card, or compute on the CPU.",
  });
}

async function browserAdapter(): Promise<GPUAdapter> {
  // not in every browser, not in pages without a secure origin, and not in Node
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (gpu !== undefined) return requestAdapter(gpu);
  throw new UnsupportedError("There is no WebGPU here: `navigator.gpu` is missing.", {
    hint: "In Node give the adapter of `nodeAdapter`; in a browser use a page with a secure origin.",
  });
}

function nameOf(info: GPUAdapterInfo | undefined): string {
  const { vendor = "", architecture = "", device = "", description = "" } = info ?? {};
  return description || device || [vendor, architecture].filter(Boolean).join(" ") || "an unnamed device";
}

/** The words of a fault, without the full stop. */
export function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.trim().replace(/\.$/, "") || "it gives no reason";
}

export function lostDevice(reason: string): IoError {
  return new IoError(`The WebGPU device was lost: ${reason}.`, {
    hint: "Run it again, since the driver may have been restarted, or compute on the CPU.",
  });
}

/** What a fault that an error scope has caught means. */
export function deviceFault(error: GPUError, isMemory: boolean): IoError | LimitError {
  if (!isMemory) {
    return new IoError(`The WebGPU device refuses its work: ${reasonOf(error.message)}.`, {
      hint: "Compute on the CPU, which needs no such device.",
    });
  }
  return new LimitError("The memory of the WebGPU device has no room for the matrices.", {
    hint: "Close other programs that use the device, or compute on the CPU.",
  });
}
