/** Finds the grid that the floats of one tensor lie on, from bands of its rows. */
import { UsageError } from "../errors.ts";
import type { ViewFacts } from "./facts.ts";
import { type GridFits, referenceFits } from "./grid-fits.ts";
import type { GroupsSeen } from "./hidden-facts.ts";
import type { HiddenGrid, HidingType } from "./hidden-grid.ts";
import { type FitRows, groupsOf } from "./hidden-scale.ts";
import { FloatingNvfp4, nvfp4Factor } from "./hidden-table.ts";

/** Rows that a look at a tensor begins with: floats that are on no grid nearly always show it there. */
export const PROBE_ROWS = 8;

/** Rows and columns of a block of FP8. */
const BLOCK = 128;

/** A grid, and what decides whether another layout holds it. */
export interface FoundGrid {
  readonly grid: HiddenGrid;
  readonly facts: ViewFacts;
}

interface Partition {
  readonly levels: HiddenGrid["levels"];
  readonly blockRows: number;
  /** −1: the whole row. */
  readonly blockColumns: number;
}

/** The grids that are looked for. Smaller groups of integers fit wherever larger ones do, perhaps with fewer bits. */
const INTEGERS: readonly Partition[] = [-1, 128, 64, 32].map((blockColumns) => ({
  levels: "integer",
  blockRows: 1,
  blockColumns,
}));
const FINEST = INTEGERS.at(-1);
const MXFP4: Partition = { levels: "E2M1", blockRows: 1, blockColumns: 32 };
const NVFP4: Partition = { levels: "E2M1", blockRows: 1, blockColumns: 16 };
const FLOATS8: readonly Partition[] = [
  { levels: "E4M3", blockRows: BLOCK, blockColumns: BLOCK },
  { levels: "E4M3", blockRows: 1, blockColumns: -1 },
];

/** A grid that all rows so far lie on. */
interface Candidate {
  readonly partition: Partition;
  readonly fit: FitRows;
  /** The factor of all scales, once they were seen. */
  readonly factor?: (() => number | undefined) | undefined;
  readonly seen: GroupsSeen;
}

/** Bits of a weight's float that are taken to be random: sign, significand and two of the exponent of a bf16. */
const FLOAT_BITS = 10;
/** A grid must explain so many bits more than its own codes and scales hold: one in 2^64 tensors does by chance. */
const LEAST_SAVING = 64;
const SCALE_BITS = 32;

/**
 * The search over one tensor. `probe` sees the first rows and drops what they are not on. Then each pass sees all rows in
 * order, in bands that begin at multiples of `bandMultiple`, until `add` returns false; `end` closes the pass.
 */
export class GridSearch {
  private readonly rows: number;
  private readonly columns: number;
  private readonly type: HidingType;
  private readonly fits: GridFits;
  /** What each pass looks for; the first pass nearly always tells. */
  private passes: (readonly Partition[])[] = [];
  private candidates: Candidate[] = [];
  private factor: number | undefined;
  /** Groups that were looked at: what the search costs. */
  groupsSeen = 0;

  constructor(rows: number, columns: number, type: HidingType, fits: GridFits = referenceFits) {
    this.rows = rows;
    this.columns = columns;
    this.type = type;
    this.fits = fits;
  }

  /** The first rows. False: the floats are on none of the grids. */
  probe(values: Float32Array): boolean {
    const { type, columns, fits } = this;
    const holds = (factor: number): boolean =>
      fits.nvfp4(type, factor, "four bits")(values, columns, NVFP4, () => undefined);
    this.factor = nvfp4Factor(type, groupsOf(values, columns, NVFP4), holds);
    const probed = (partitions: readonly Partition[]): Candidate[] =>
      partitions
        .filter(({ blockColumns }) => blockColumns <= columns)
        .flatMap((partition) => this.candidateOf(partition) ?? [])
        .filter((candidate) => this.takes(candidate, values));
    const integers = smallestFirst(probed(INTEGERS));
    const [best, ...others] = integers.map(({ partition }) => partition);
    // where groups of one size do not fit, larger ones do not either
    const finer = others.filter((other) => INTEGERS.indexOf(other) > INTEGERS.indexOf(best ?? other));
    const tables = probed([MXFP4, NVFP4]).map(({ partition }) => partition);
    const together = best === undefined ? tables : [best, ...tables];
    // integers of more bits, in groups as small as those of MXFP4, are larger however many rows there are; so is NVFP4
    const areWider = best === undefined || (best === FINEST && (integers[0]?.seen.width.bits ?? 0) > 4);
    const passes = [
      ...(areWider && tables[0] === MXFP4
        ? [[MXFP4], together.filter((partition) => partition !== MXFP4)]
        : [together]),
      ...finer.map((partition) => [partition]),
      // integers of 4 bits are E4M3 numbers, too, and the smaller codes count
      probed(FLOATS8).map(({ partition }) => partition),
    ];
    this.passes = passes.filter(({ length }) => length > 0);
    return this.passes.length > 0;
  }

  /** Begins a pass over all rows. False: there is nothing left to look for. */
  begin(): boolean {
    const [partitions, ...rest] = this.passes;
    this.passes = rest;
    this.candidates = (partitions ?? []).flatMap((partition) => this.candidateOf(partition) ?? []);
    return this.candidates.length > 0;
  }

  /** Bands of this pass begin at multiples of so many rows. */
  get bandMultiple(): number {
    return this.candidates.some(({ partition }) => partition.blockRows > 1) ? BLOCK : 1;
  }

  /** The next rows of a pass. False: they end it. */
  add(values: Float32Array): boolean {
    if (values.length % this.columns !== 0) throw new UsageError("A band is not made of whole rows.");
    this.candidates = this.candidates.filter((candidate) => this.takes(candidate, values));
    return this.candidates.length > 0;
  }

  /** Ends a pass. "again": another pass over all rows may find a grid. */
  end(): FoundGrid | "again" | undefined {
    const [found] = smallestFirst(
      this.candidates
        .filter(({ factor }) => factor === undefined || factor() !== undefined)
        .filter((candidate) => candidate.seen.nonzero * FLOAT_BITS - sizeOf(candidate) >= LEAST_SAVING),
    );
    if (found !== undefined) return this.found(found);
    return this.candidates.length === 0 && this.passes.length > 0 ? "again" : undefined;
  }

  private candidateOf(partition: Partition): Candidate | undefined {
    const { type, factor, fits } = this;
    const seen = fits.seen();
    if (partition === MXFP4) return { partition, seen, fit: fits.mxfp4(type) };
    if (partition === NVFP4) {
      if (factor === undefined) return undefined;
      const floating = new FloatingNvfp4(factor);
      const fit = floating.watched(fits.nvfp4(type, factor, "four bits"));
      return { partition, seen, fit, factor: () => floating.settled() };
    }
    return { partition, seen, fit: partition.levels === "E4M3" ? fits.float8(type) : fits.integers(type) };
  }

  private takes({ partition, fit, seen }: Candidate, values: Float32Array): boolean {
    const before = seen.groups;
    const fits = fit(values, this.columns, partition, (own, count) => seen.add(own, count));
    this.groupsSeen += seen.groups - before + (fits ? 0 : 1);
    return fits;
  }

  private found(candidate: Candidate): FoundGrid {
    const { rows, columns } = this;
    const grid = this.gridOf(candidate);
    return { grid, facts: candidate.seen.facts(rows, columns, grid) };
  }

  private gridOf({ partition, seen, factor }: Candidate): HiddenGrid {
    const { levels, blockRows, blockColumns } = partition;
    return {
      levels,
      ...widthOf(partition, seen),
      blockRows,
      blockColumns,
      scale: scaleOf(partition, seen),
      ...(factor === undefined ? {} : { factor: factor() }),
      rounding: seen.exact ? "none" : this.type,
    };
  }
}

function smallestFirst(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort((a, b) => sizeOf(a) - sizeOf(b));
}

/** Bits that a grid takes for the weights that are not 0. */
function sizeOf({ partition, seen }: Candidate): number {
  return seen.nonzero * widthOf(partition, seen).bits + seen.groups * SCALE_BITS;
}

function scaleOf(partition: Partition, { scales }: GroupsSeen): HiddenGrid["scale"] {
  if (partition === MXFP4) return "E8M0";
  if (partition === NVFP4) return "E4M3";
  return partition.levels === "E4M3" && scales.arePowers ? "E8M0" : scales.narrowest;
}

function widthOf({ levels }: Partition, seen: GroupsSeen): Pick<HiddenGrid, "bits" | "symmetric"> {
  if (levels === "integer") return seen.width;
  return { bits: levels === "E2M1" ? 4 : 8, symmetric: true };
}
