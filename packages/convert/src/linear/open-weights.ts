import { FormatError, type LinearWeight } from "@requant/core";
import type { Examination, OpenableWeight, StoredPart } from "./linear-weight.ts";

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
  partsOf: (name: string) => readonly StoredPart[],
  read: (part: StoredPart) => Promise<Uint8Array>,
): LinearReads {
  const examinations = new Map<string, Promise<Examination>>();
  let last: { readonly name: string; readonly weight: Promise<LinearWeight> } | undefined;

  function weightOf(name: string): OpenableWeight {
    const found = weights.get(name);
    if (found === undefined) {
      throw new FormatError("there is no packed weight of this name", { tensor: name });
    }
    return found;
  }

  async function bytesOf(name: string, suffixes?: readonly string[]): Promise<Record<string, Uint8Array>> {
    const bytes: Record<string, Uint8Array> = {};
    for (const part of partsOf(name)) {
      if (suffixes?.includes(part.suffix) !== false) bytes[part.suffix] = await read(part);
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
