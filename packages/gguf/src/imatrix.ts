/**
 * Importance matrices: how much each input column of a weight matters, as llama-imatrix measures it. The two file forms
 * are described in `imatrix/gguf-form.ts` and `imatrix/dat-form.ts`; how the numbers are used is defined by llama.cpp's
 * tools/quantize/quantize.cpp.
 */
import {
  type ByteSink,
  type ByteSource,
  byteText,
  defaultLimits,
  FormatError,
  type Limits,
  UsageError,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import { readDatForm, writeDatForm } from "./imatrix/dat-form.ts";
import { readGgufForm, writeGgufForm } from "./imatrix/gguf-form.ts";
import { type Imatrix, type ImatrixForm, meanSquares } from "./imatrix/imatrix.ts";

export type { Imatrix, ImatrixEntry, ImatrixForm } from "./imatrix/imatrix.ts";

/** Limits for hostile files. */
export interface ReadImatrixOptions {
  readonly limits?: Limits | undefined;
}

/**
 * Reads an importance matrix of either form.
 * @throws FormatError when it is neither, cut off, or holds numbers that are not finite
 */
export async function readImatrix(source: ByteSource, options: ReadImatrixOptions = {}): Promise<Imatrix> {
  const start = await source.read(0, Math.min(4, source.byteLength));
  const isGguf = start.length === 4 && byteText(start) === "GGUF";
  const imatrix = isGguf
    ? await readGgufForm(source, options)
    : await readDatForm(source, options.limits ?? defaultLimits);
  if (imatrix.entries.size === 0)
    throw new FormatError("The importance matrix has no entries.", { path: source.name });
  return imatrix;
}

/** Parts of weight names, as in llama-quantize; give `include` or `exclude`, not both. */
export interface ImatrixFilter {
  /** Only weights whose name contains one of these texts. */
  readonly include?: readonly string[];
  /** No weights whose name contains one of these texts. */
  readonly exclude?: readonly string[];
}

/**
 * The weights that quantizing uses, by name of the weight: mean squares, one per column, matrix after matrix.
 * An expert that saw no token gets ones.
 * @throws UsageError for a text that is in no name
 */
export function imatrixWeights(imatrix: Imatrix, filter: ImatrixFilter = {}): Map<string, Float32Array> {
  const include = filter.include ?? [];
  const exclude = filter.exclude ?? [];
  if (include.length > 0 && exclude.length > 0) {
    throw new UsageError("Weights can be included or excluded, not both.");
  }
  for (const text of [...include, ...exclude]) {
    if ([...imatrix.entries.keys()].some((name) => name.includes(text))) continue;
    throw new UsageError(`No entry of the importance matrix has ${quoted(text)} in its name.`, {
      hint: `Its entries have names such as ${[...imatrix.entries.keys()].slice(0, 3).join(", ")}.`,
    });
  }
  const contains = (name: string, texts: readonly string[]): boolean =>
    texts.some((text) => name.includes(text));
  const weights = new Map<string, Float32Array>();
  for (const [name, entry] of imatrix.entries) {
    if (include.length > 0 && !contains(name, include)) continue;
    if (contains(name, exclude)) continue;
    weights.set(name, meanSquares(entry, imatrix.form));
  }
  return weights;
}

/** The form that is written. */
export interface WriteImatrixOptions {
  /** Default: the form that was read. */
  readonly form?: ImatrixForm;
  /** Tokens per chunk where the matrix does not state it; default 512, as llama-imatrix. */
  readonly chunkSize?: number;
}

/** Writes the same file as llama-imatrix: entries sorted by name. The caller closes the sink. */
export async function writeImatrix(
  sink: ByteSink,
  imatrix: Imatrix,
  options: WriteImatrixOptions = {},
): Promise<void> {
  const form = options.form ?? imatrix.form;
  const chunkSize = imatrix.chunkSize > 0 ? imatrix.chunkSize : (options.chunkSize ?? 512);
  const names = [...imatrix.entries.keys()].sort();
  const sorted = names.flatMap((name) => {
    const entry = imatrix.entries.get(name);
    return entry === undefined ? [] : [[name, entry] as const];
  });
  if (form === "dat") return writeDatForm(sink, imatrix, sorted, chunkSize);
  return writeGgufForm(sink, imatrix, sorted, chunkSize);
}
