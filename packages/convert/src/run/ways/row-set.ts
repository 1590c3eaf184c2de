/** Weights of one shape whose rows come from the same stored rows: nearly always one weight, several where a run has several targets. */
import { blockOf } from "../../model/encodings.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { type Rows, rowsOf, rowUnits } from "../bands.ts";
import { isMeasured } from "../measured.ts";
import type { WorkSizes } from "../work-area.ts";

/** How the rows of some weights are read, once for all of them, and how much memory a band of them needs. */
export interface RowSet {
  readonly tasks: readonly PlanTensor[];
  readonly rows: Rows;
  /** Rows that are encoded at a time. */
  readonly step: number;
  /** Set where the rows are read as they are stored, and decoded a few at a time; else they are computed for the whole band. */
  readonly stored?: StoredRows | undefined;
  /** Memory that a band of `count` rows needs, the new bytes of all weights included. */
  sizes(count: number): WorkSizes;
  /** Where the new bytes of a weight lie in the memory of a band of `count` rows. */
  outRange(member: number, count: number): { readonly start: number; readonly end: number };
}

export interface StoredRows {
  readonly encoding: string;
  readonly rowByteLength: number;
}

/** f32 bytes that are worked on at a time inside a band: they, their codes and the decoded ones fit a core's cache. */
const CACHED_BYTE_LENGTH = 128 * 1024;

/** New bytes of the next weight begin at whole lines of the cache. */
const ALIGNMENT = 64;

/** @param tasks at least one; all have the same shape and inputs */
export function rowSetOf(tasks: readonly PlanTensor[]): RowSet {
  const rows = rowsOf(tasks[0]?.shape ?? []);
  const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
  const step = Math.max(1, Math.floor(CACHED_BYTE_LENGTH / rowFloats));
  const stored = storedRowsOf(tasks, rows);
  const written = tasks.map((task) => (isCopied(task) ? 0 : rowUnits(task, rows).unitByteLength));
  const copied = tasks.some(isCopied) ? (stored?.rowByteLength ?? 0) : 0;
  const isDecoded = tasks.some((task) => !isCopied(task));
  return {
    tasks,
    rows,
    step,
    stored,
    sizes: (count) => ({
      stored: stored === undefined ? 0 : count * stored.rowByteLength,
      values: isDecoded ? (stored === undefined ? count : Math.min(count, step)) * rowFloats : 0,
      decoded: tasks.some((task) => !isCopied(task) && isMeasured(task))
        ? Math.min(count, step) * rowFloats
        : 0,
      // copies are delivered from where they were read, but read back into the memory for new bytes
      out: Math.max(copied * count, endsOf(written, count).at(-1) ?? 0),
    }),
    outRange: (member, count) => {
      const start = member === 0 ? 0 : aligned(endsOf(written, count)[member - 1] ?? 0);
      return { start, end: start + count * (written[member] ?? 0) };
    },
  };
}

/** True where the stored bytes of a weight are its new bytes. */
export function isCopied({ way }: PlanTensor): boolean {
  return way.kind === "bytes" || way.kind === "rows";
}

/** Where the new bytes of each weight end, one after the other. */
function endsOf(written: readonly number[], count: number): number[] {
  let end = 0;
  return written.map((rowByteLength) => {
    end = aligned(end) + count * rowByteLength;
    return end;
  });
}

function aligned(byteLength: number): number {
  return Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
}

/** The encoding of the stored rows: that of a copy, or of weights that are all read directly. */
function storedRowsOf(tasks: readonly PlanTensor[], rows: Rows): StoredRows | undefined {
  const copy = tasks.find(isCopied);
  const [first] = tasks;
  const isDirect = tasks.every(({ way }) => way.kind === "floats" && way.direct);
  const encoding = copy?.to ?? (isDirect ? first?.from : undefined);
  if (encoding === undefined) return undefined;
  const { blockSize, blockByteLength } = blockOf(encoding, { tensor: first?.name });
  return { encoding, rowByteLength: (rows.length / blockSize) * blockByteLength };
}
