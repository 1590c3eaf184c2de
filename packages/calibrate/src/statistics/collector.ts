import { FormatError, UsageError } from "@requant/core";
import type { InputStatistics } from "@requant/core/solve";
import type { Compute, MomentSums } from "../compute/compute.ts";
import { openMoments } from "../compute/moments.ts";
import type { LinearInput, Observer } from "../observer.ts";
import type { StatisticsEntry } from "./entry.ts";

/** Rows of an expert's inputs that are gathered before they are added: a product of few rows is slow. */
const GATHERED_ROWS = 256;

/** The sums of one matrix. */
interface Sums {
  readonly moments: MomentSums;
  readonly abs: Float64Array;
  tokens: number;
  /** Rows that are not added yet. */
  readonly gathered: Float32Array | undefined;
  gatheredRows: number;
}

interface Collected {
  readonly columns: number;
  readonly experts: number | undefined;
  readonly matrices: Map<number, Sums>;
}

/** How a collector works. */
export interface CollectorOptions {
  readonly compute: Compute;
  /** The inputs that the decoder reports: they say how many experts a stack has. */
  readonly inputs?: readonly LinearInput[] | undefined;
  /**
   * "moments", the default, is what solvers need. "squares" sums only x²: all that an importance matrix holds, in a fraction of
   * the time and memory.
   */
  readonly keep?: "moments" | "squares" | undefined;
}

/**
 * Sums the inputs of linear layers during a forward pass: give it to the pass as the observer, and take what it has after
 * each layer. Memory: 4 × columns² bytes for each input of the layer, times the experts that were reached, and for each such
 * expert 1 KiB × columns. The sums are f32; each adds at most 256 tokens before it is rounded.
 */
export class StatisticsCollector implements Observer {
  readonly #options: CollectorOptions;
  readonly #experts: ReadonlyMap<string, number | undefined>;
  readonly #collected = new Map<string, Collected>();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#experts = new Map(options.inputs?.map(({ name, experts }) => [name, experts]));
  }

  /**
   * Adds x[tokens, columns], the inputs of a weight, or of matrix `expert` of a stack.
   * @throws FormatError for an input that is not finite
   */
  async onInput(
    name: string,
    x: Float32Array,
    tokens: number,
    columns: number,
    expert?: number,
  ): Promise<void> {
    if (x.length !== tokens * columns) {
      throw new UsageError(`${x.length} numbers are not ${tokens} inputs of ${columns}.`, { tensor: name });
    }
    if (tokens === 0) return;
    const collected = this.#entry(name, columns, expert);
    let sums = collected.matrices.get(expert ?? 0);
    if (sums === undefined) {
      sums = this.#newSums(columns, expert !== undefined);
      collected.matrices.set(expert ?? 0, sums);
    }
    addMagnitudes(x, columns, sums.abs);
    refuseNotFinite(sums.abs, name, expert);
    sums.tokens += tokens;
    if (sums.gathered === undefined || (sums.gatheredRows === 0 && tokens >= GATHERED_ROWS)) {
      await sums.moments.add(x, tokens);
    } else await this.#gather(x, columns, sums, sums.gathered);
  }

  /** What was collected since the last call, by name. Release each entry when it is written. */
  async take(): Promise<readonly CollectedEntry[]> {
    const entries: CollectedEntry[] = [];
    for (const [name, collected] of this.#collected) {
      for (const sums of collected.matrices.values()) await this.#flush(collected.columns, sums);
      entries.push(this.#taken(name, collected));
    }
    this.#collected.clear();
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #entry(name: string, columns: number, expert: number | undefined): Collected {
    const known = this.#collected.get(name);
    if (known !== undefined && known.columns !== columns) {
      throw new UsageError(`An input has ${columns} columns, and earlier ones had ${known.columns}.`, {
        tensor: name,
      });
    }
    const least = this.#experts.get(name) ?? known?.experts ?? 0;
    const experts = expert === undefined ? undefined : Math.max(least, expert + 1);
    const entry: Collected = { columns, experts, matrices: known?.matrices ?? new Map() };
    this.#collected.set(name, entry);
    return entry;
  }

  #newSums(columns: number, gathers: boolean): Sums {
    const { compute, keep } = this.#options;
    const moments = keep === "squares" ? squaresInMemory(columns) : openMoments(compute, columns);
    const gathered = gathers && keep !== "squares" ? new Float32Array(GATHERED_ROWS * columns) : undefined;
    return { moments, abs: new Float64Array(columns), tokens: 0, gathered, gatheredRows: 0 };
  }

  async #gather(x: Float32Array, columns: number, sums: Sums, gathered: Float32Array): Promise<void> {
    for (let at = 0; at < x.length; ) {
      const length = Math.min(x.length - at, gathered.length - sums.gatheredRows * columns);
      gathered.set(x.subarray(at, at + length), sums.gatheredRows * columns);
      sums.gatheredRows += length / columns;
      at += length;
      if (sums.gatheredRows === GATHERED_ROWS) await this.#flush(columns, sums);
    }
  }

  async #flush(columns: number, sums: Sums): Promise<void> {
    const rows = sums.gatheredRows;
    if (rows === 0 || sums.gathered === undefined) return;
    sums.gatheredRows = 0;
    await sums.moments.add(sums.gathered.subarray(0, rows * columns), rows);
  }

  #taken(name: string, { columns, experts, matrices }: Collected): CollectedEntry {
    const squaresOnly = this.#options.keep === "squares";
    const meansOf = (values: ArrayLike<number>, tokens: number, step: number): Float32Array =>
      Float32Array.from({ length: columns }, (_, i) => (values[i * step] ?? 0) / tokens);
    const entry: StatisticsEntry = {
      name,
      columns,
      experts,
      tokens: Array.from({ length: experts ?? 1 }, (_, matrix) => matrices.get(matrix)?.tokens ?? 0),
      async readMeanAbs(matrix = 0) {
        const sums = matrices.get(matrix);
        return sums === undefined ? new Float32Array(columns) : meansOf(sums.abs, sums.tokens, 1);
      },
      async readMeanSquares(matrix = 0) {
        const sums = matrices.get(matrix);
        if (sums === undefined) return new Float32Array(columns);
        return meansOf(await sums.moments.read(), sums.tokens, squaresOnly ? 1 : columns + 1);
      },
      async read(matrix = 0): Promise<InputStatistics> {
        if (squaresOnly) throw new UsageError("Only squares were collected.", { tensor: name });
        const sums = matrices.get(matrix);
        const moments = new Float32Array(columns * columns);
        const tokens = sums?.tokens ?? 0;
        if (sums !== undefined) fillMoments(await sums.moments.read(), columns, tokens, moments);
        return { columns, tokens, moments, meanAbs: await entry.readMeanAbs(matrix) };
      },
    };
    return {
      ...entry,
      release() {
        for (const { moments } of matrices.values()) moments.release();
        matrices.clear();
      },
    };
  }
}

/** An entry that holds memory. */
export interface CollectedEntry extends StatisticsEntry {
  /** Gives the memory back; the entry must not be read after. */
  release(): void;
}

/** Sums of x² alone: [columns]. */
function squaresInMemory(columns: number): MomentSums {
  const sums = new Float32Array(columns);
  return {
    add(x) {
      for (let at = 0; at < x.length; at += columns) {
        for (let i = 0; i < columns; i++) sums[i]! += x[at + i]! * x[at + i]!;
      }
    },
    read: async () => sums,
    release() {},
  };
}

/** Means from sums at and above the diagonal; the part below mirrors it. */
function fillMoments(sums: Float32Array, columns: number, tokens: number, out: Float32Array): void {
  for (let row = 0; row < columns; row++) {
    for (let column = row; column < columns; column++) {
      const mean = sums[row * columns + column]! / tokens;
      out[row * columns + column] = mean;
      out[column * columns + row] = mean;
    }
  }
}

function addMagnitudes(x: Float32Array, columns: number, abs: Float64Array): void {
  for (let at = 0; at < x.length; at += columns) {
    for (let i = 0; i < columns; i++) abs[i]! += Math.abs(x[at + i]!);
  }
}

function refuseNotFinite(abs: Float64Array, name: string, expert: number | undefined): void {
  const column = abs.findIndex((sum) => !Number.isFinite(sum));
  if (column < 0) return;
  const of = expert === undefined ? "" : ` of expert ${expert}`;
  throw new FormatError(
    `An activation that enters this weight is not finite: column ${column} of its inputs${of}.`,
    {
      tensor: name,
      reason: "not-finite",
      hint: "The weights before it are damaged, or the model needs a larger range than f32 has.",
    },
  );
}
