import { FormatError, type LinearWeight } from "@requant/core";
import type { ModelTensor } from "../model.ts";
import type { Examination, OpenableWeight } from "./linear-weight.ts";

export interface LinearReads {
  examine(name: string): Promise<Examination>;
  open(name: string): Promise<LinearWeight>;
}

/**
 * Reads linear weights of a model. The parts of one weight are held at a time, the last that was opened: what bounds the
 * memory of a conversion. Examinations are small and kept.
 */
export function linearReads(
  weights: ReadonlyMap<string, OpenableWeight>,
  tensorOf: (name: string) => ModelTensor,
  read: (tensor: ModelTensor, start: number, end: number) => Promise<Uint8Array>,
): LinearReads {
  const examinations = new Map<string, Promise<Examination>>();
  let last: { readonly name: string; readonly weight: Promise<LinearWeight> } | undefined;

  function weightOf(name: string): OpenableWeight {
    const found = weights.get(name);
    if (found === undefined) {
      throw new FormatError("the tensor is no linear weight", { tensor: tensorOf(name).name });
    }
    return found;
  }

  async function bytesOf(name: string, suffixes?: readonly string[]): Promise<Record<string, Uint8Array>> {
    const bytes: Record<string, Uint8Array> = {};
    for (const part of tensorOf(name).linear?.parts ?? []) {
      if (suffixes?.includes(part.suffix) === false) continue;
      const stored = tensorOf(part.name);
      bytes[part.suffix] = await read(stored, 0, stored.byteLength);
    }
    return bytes;
  }

  function examine(name: string): Promise<Examination> {
    const known = examinations.get(name);
    if (known !== undefined) return known;
    const weight = weightOf(name);
    const found = bytesOf(name, weight.parameterSuffixes).then((bytes) => weight.examine(bytes));
    examinations.set(name, found);
    // a read that failed is tried again next time
    found.catch(() => examinations.delete(name));
    return found;
  }

  function open(name: string): Promise<LinearWeight> {
    if (last?.name === name) return last.weight;
    const weight = weightOf(name);
    // let go of the other one first
    last = undefined;
    const opened = bytesOf(name).then((bytes) => weight.open(bytes));
    last = { name, weight: opened };
    opened.catch(() => {
      if (last?.weight === opened) last = undefined;
    });
    return opened;
  }

  return { examine, open };
}
