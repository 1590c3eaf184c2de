/** The SIMD twin of `bits/fields.ts`: whole runs of 32 fields in 32-bit words, along a row of words or down columns. */
import type { FieldStreams, FieldTable, Words } from "../bits/field-table.ts";
import * as reference from "../bits/fields.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { kernelAddress, SCRATCH_BYTE_LENGTH } from "./memory.ts";
import type { Kernel } from "./module.ts";
import { rectangle } from "./rectangle.ts";

/** Fields per run. */
const RUN = 32;
/** The kernel transposes the words of four adjacent streams at a time. */
const LANES = 4;

/** The fields of the class `FieldRuns` in assembly/fields.ts. */
interface FieldRuns {
  readonly words: number;
  readonly wordStep: number;
  readonly runs: number;
  readonly streams: number;
  readonly fields: number;
  readonly fieldStep: number;
  readonly bits: number;
  readonly isPlanar: number;
}

const placeFieldRuns = /* @__PURE__ */ descriptor(
  ({ words, wordStep, runs, streams, fields, fieldStep, bits, isPlanar }: FieldRuns) => [
    words,
    wordStep,
    runs,
    streams,
    fields,
    fieldStep,
    bits,
    isPlanar,
  ],
);

/** Words to fields. Where the last run is incomplete, the pieces of its missing words are 0. */
export function unpackFields(table: FieldTable, words: Words, at: FieldStreams, fields: Uint8Array): void {
  reference.checkFieldRange(table, words.length, at, fields.length);
  const left = unpackInKernel(table, words, at, fields);
  for (const part of left ?? [at]) reference.unpackFields(table, words, part, fields);
}

/**
 * Fields to words: every word of the streams is written, spare bits as 0.
 * @throws UsageError when a field does not fit its bits (nothing is cut off in silence)
 */
export function packFields(table: FieldTable, fields: Uint8Array, at: FieldStreams, words: Words): void {
  reference.checkFieldRange(table, words.length, at, fields.length);
  const left = packInKernel(table, fields, at, words);
  for (const part of left ?? [at]) reference.packFields(table, fields, part, words);
}

/** The arrangements that the kernels support: consecutive fields that straddle words where needed, and bit planes. */
type Arrangement = "stream" | "planes" | "other";

const arrangements: WeakMap<FieldTable, Arrangement> = /* @__PURE__ */ new WeakMap();

function arrangementOf(table: FieldTable): Arrangement {
  let answer = arrangements.get(table);
  if (answer === undefined) {
    answer = isStream(table) ? "stream" : isPlanar(table) ? "planes" : "other";
    arrangements.set(table, answer);
  }
  return answer;
}

function isStream({ bitWidth, wordBitWidth, pieces }: FieldTable): boolean {
  return pieces.every(
    ({ field, word, shift, left }) => wordBitWidth * word + shift === bitWidth * field + left,
  );
}

/** True for planes of four bits, two bits and one bit, as many as the width is the sum of, each in words of its own. */
function isPlanar({ bitWidth, wordBitWidth, wordsPerRun, pieces }: FieldTable): boolean {
  const planes = [4, 2, 1].filter((width) => (bitWidth & width) !== 0);
  return (
    bitWidth < 8 &&
    wordsPerRun === bitWidth &&
    pieces.length === RUN * planes.length &&
    pieces.every(
      ({ field, word, shift, width, left }) =>
        planes.includes(width) &&
        left === (bitWidth & ~(2 * width - 1)) &&
        wordBitWidth * (word - left) + shift === width * field,
    )
  );
}

/** @returns the streams and fields that are still to be unpacked; undefined when no kernel can unpack any */
function unpackInKernel(
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

/** @returns as `unpackInKernel`; also undefined when a field does not fit: the reference then finds and names it */
function packInKernel(
  table: FieldTable,
  fields: Uint8Array,
  at: FieldStreams,
  words: Words,
): FieldStreams[] | undefined {
  const work = workOf(table, words, at, "pack");
  if (work === undefined) return undefined;
  if (inTiles(work, at, fields, true) >= 2 ** table.bitWidth) return undefined;
  return remainder(work, at);
}

interface Work {
  readonly kernel: Kernel;
  readonly words: Uint32Array;
  readonly bits: number;
  readonly isPlanar: number;
  /** Streams stand side by side, not one after the other. */
  readonly columns: boolean;
  /** The kernel's share: these streams, and so many runs of each. */
  readonly streams: number;
  readonly runs: number;
}

function workOf(
  table: FieldTable,
  words: Words,
  at: FieldStreams,
  verb: "pack" | "unpack",
): Work | undefined {
  const { bitWidth: bits, wordBitWidth } = table;
  if (!(words instanceof Uint32Array) || wordBitWidth !== 32 || bits < 2) return undefined;
  const arrangement = arrangementOf(table);
  if (arrangement === "other") return undefined;
  const runs = Math.floor(at.fields / RUN);
  const columns = at.wordStep !== 1;
  if (columns && at.streamStep !== 1) return undefined;
  const streams = columns ? at.streams - (at.streams % LANES) : at.streams;
  if (runs * streams === 0) return undefined;
  const kernel = coreKernels.kernel(`${verb}${columns ? "Columns" : "Rows"}`);
  const isPlanar = arrangement === "planes" ? 1 : 0;
  return kernel && { kernel, words, bits, isPlanar, columns, streams, runs };
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
  // rows of words and rows of fields are copied one by one, so neither should be short
  const width = columns ? Math.min(streams, fieldsInside ? 256 : 64) : 1;
  const length = Math.min(runs, Math.floor(most / width));
  return { streams: columns ? width : Math.min(streams, Math.floor(most / length)), runs: length };
}

/** @returns the bits that occur in any field, where the kernel reports them */
function inTiles(work: Work, at: FieldStreams, fields: Uint8Array, packs: boolean): number {
  const { kernel, words, bits, isPlanar, columns } = work;
  const { wordStart, wordStep, streamStep, fieldStart, fieldStep } = at;
  const tile = tileOf(work, kernelAddress(words) !== undefined, kernelAddress(fields) !== undefined);
  let seen = 0;
  for (let stream = 0; stream < work.streams; stream += tile.streams) {
    const streams = Math.min(tile.streams, work.streams - stream);
    for (let run = 0; run < work.runs; run += tile.runs) {
      const runs = Math.min(tile.runs, work.runs - run);
      const start = wordStart + stream * streamStep + run * bits * wordStep;
      // a line of words holds one word of each stream, or all words of one stream
      const wordLines = columns
        ? { start, step: wordStep, lines: runs * bits, length: streams }
        : { start, step: streamStep, lines: streams, length: runs * bits };
      const from = fieldStart + stream * fieldStep + run * RUN;
      const fieldLines = { start: from, step: fieldStep, lines: streams, length: runs * RUN };
      const w = rectangle(words, wordLines, 0);
      const f = rectangle(fields, fieldLines, 1);
      (packs ? f : w).load();
      const at = {
        words: w.address,
        wordStep: w.step,
        runs,
        streams,
        fields: f.address,
        fieldStep: f.step,
        bits,
        isPlanar,
      };
      seen |= kernel(placeFieldRuns(at));
      (packs ? w : f).save();
    }
  }
  return seen;
}
