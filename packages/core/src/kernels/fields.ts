/** The SIMD twin of `bits/fields.ts`: whole runs of 32 fields in 32-bit words, along a row of words or down columns. */
import type { FieldStreams, FieldTable, Words } from "../bits/fields.ts";
import { UsageError } from "../errors.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";
import type { Kernel } from "./module.ts";

/** Fields per run. */
const RUN = 32;
/** Side by side, words are turned four streams at a time. */
const LANES = 4;

/** @returns the streams and fields that are still to be unpacked; undefined when all are */
export function unpackInKernel(
  table: FieldTable,
  words: Words,
  at: FieldStreams,
  fields: Uint8Array,
): FieldStreams[] | undefined {
  const work = workOf(table, words, at, "unpack");
  if (work === undefined) return undefined;
  inTiles(work, at, fields, false);
  return remainder(work, at);
}

/**
 * @returns as `unpackInKernel`
 * @throws UsageError when a field does not fit its bits
 */
export function packInKernel(
  table: FieldTable,
  fields: Uint8Array,
  at: FieldStreams,
  words: Words,
): FieldStreams[] | undefined {
  const work = workOf(table, words, at, "pack");
  if (work === undefined) return undefined;
  // where one does not fit, the loop that checks each says which
  if (inTiles(work, at, fields, true) >= 2 ** table.bitWidth) return undefined;
  return remainder(work, at);
}

interface Work {
  readonly kernel: Kernel;
  readonly words: Uint32Array;
  readonly bits: number;
  /** Streams stand side by side, not one after the other. */
  readonly columns: boolean;
  /** What the kernel does: these streams, and of each so many runs. */
  readonly streams: number;
  readonly runs: number;
}

function workOf(table: FieldTable, words: Words, at: FieldStreams, verb: "pack" | "unpack"): Work | undefined {
  const { bitWidth: bits, wordBitWidth } = table;
  if (!(words instanceof Uint32Array) || wordBitWidth !== 32 || bits < 2) return undefined;
  const runs = Math.floor(at.fields / RUN);
  const columns = at.wordStep !== 1;
  if (columns && at.streamStep !== 1) return undefined;
  const streams = columns ? at.streams - (at.streams % LANES) : at.streams;
  if (runs * streams === 0) return undefined;
  const kernel = coreKernels.kernel(`${verb}${columns ? "Columns" : "Rows"}`);
  return kernel && { kernel, words, bits, columns, streams, runs };
}

function remainder({ streams, runs, bits }: Work, at: FieldStreams): FieldStreams[] {
  const left: FieldStreams[] = [];
  const done = runs * RUN;
  if (done < at.fields) {
    left.push({
      ...at,
      streams,
      fields: at.fields - done,
      wordStart: at.wordStart + runs * bits * at.wordStep,
      fieldStart: at.fieldStart + done,
    });
  }
  if (streams < at.streams) {
    left.push({
      ...at,
      streams: at.streams - streams,
      wordStart: at.wordStart + streams * at.streamStep,
      fieldStart: at.fieldStart + streams * at.fieldStep,
    });
  }
  return left;
}

/** Streams and runs that go through scratch memory together. */
function tileOf(
  { columns, streams, runs, bits }: Work,
  wordsInside: boolean,
  fieldsInside: boolean,
): { readonly streams: number; readonly runs: number } {
  if (wordsInside && fieldsInside) return { streams, runs };
  const most = SCRATCH_BYTE_LENGTH / (fieldsInside ? 4 * bits : RUN);
  // rows of words are copied one by one, and so are rows of fields: neither should be short
  const width = columns ? Math.min(streams, fieldsInside ? 256 : 64) : 1;
  const length = Math.min(runs, Math.floor(most / width));
  return { streams: columns ? width : Math.min(streams, Math.floor(most / length)), runs: length };
}

/** @returns the bits that occur in any field, where the kernel tells */
function inTiles(work: Work, at: FieldStreams, fields: Uint8Array, packs: boolean): number {
  const { kernel, words, bits, columns } = work;
  const { wordStart, wordStep, streamStep, fieldStart, fieldStep } = at;
  const { buffer } = kernelMemory();
  const wordsAddress = kernelAddress(words);
  const fieldsAddress = kernelAddress(fields);
  const tile = tileOf(work, wordsAddress !== undefined, fieldsAddress !== undefined);
  let seen = 0;
  for (let stream = 0; stream < work.streams; stream += tile.streams) {
    const streams = Math.min(tile.streams, work.streams - stream);
    for (let run = 0; run < work.runs; run += tile.runs) {
      const runs = Math.min(tile.runs, work.runs - run);
      const word = wordStart + stream * streamStep + run * bits * wordStep;
      const field = fieldStart + stream * fieldStep + run * RUN;
      const length = runs * RUN;
      let wordsAt = (wordsAddress ?? 0) + 4 * word;
      let wordsStep = 4 * (columns ? wordStep : streamStep);
      let fieldsAt = (fieldsAddress ?? 0) + field;
      let fieldsStep = fieldStep;
      // rows of words: one of each stream, or all of one
      const [lines, lineLength, lineStep] = columns
        ? [runs * bits, streams, wordStep]
        : [streams, runs * bits, streamStep];
      const outerWords =
        wordsAddress === undefined ? new Uint32Array(buffer, scratchOffset(0), lines * lineLength) : undefined;
      const outerFields =
        fieldsAddress === undefined ? new Uint8Array(buffer, scratchOffset(1), streams * length) : undefined;
      if (outerWords !== undefined) {
        wordsAt = outerWords.byteOffset;
        wordsStep = 4 * lineLength;
        if (!packs) copyLines(words, word, lineStep, outerWords, 0, lineLength, lines, lineLength);
      }
      if (outerFields !== undefined) {
        fieldsAt = outerFields.byteOffset;
        fieldsStep = length;
        if (packs) copyLines(fields, field, fieldStep, outerFields, 0, length, streams, length);
      }
      seen |= kernel(wordsAt, wordsStep, runs, streams, fieldsAt, fieldsStep, bits);
      if (outerWords !== undefined && packs) {
        copyLines(outerWords, 0, lineLength, words, word, lineStep, lines, lineLength);
      }
      if (outerFields !== undefined && !packs) {
        copyLines(outerFields, 0, length, fields, field, fieldStep, streams, length);
      }
    }
  }
  return seen;
}

function copyLines<T extends Uint32Array | Uint8Array>(
  from: T,
  fromStart: number,
  fromStep: number,
  to: T,
  toStart: number,
  toStep: number,
  lines: number,
  length: number,
): void {
  for (let line = 0; line < lines; line++) {
    const start = fromStart + line * fromStep;
    to.set(from.subarray(start, start + length), toStart + line * toStep);
  }
}
