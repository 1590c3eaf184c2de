/** Finds the grid that the floats of one tensor lie on, from bands of its rows. */
import { UsageError } from "../errors.ts";
import type { ViewFacts } from "./facts.ts";
import { GroupsSeen } from "./hidden-facts.ts";
import type { HiddenGrid, HidingType } from "./hidden-grid.ts";
import {
  type FitGroup,
  float8Fit,
  groupsOf,
  integerFit,
  mxfp4Fit,
  nvfp4Factor,
  nvfp4Fit,
} from "./hidden-scale.ts";

/** Rows that a look at a tensor begins with: floats that are on no grid nearly always show it there. */
export const PROBE_ROWS = 8;

/** Rows of a block of FP8: bands begin at multiples of this. */
export const BAND_MULTIPLE = 128;

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

/** The grids that are looked for. Of integers the first that fits counts: smaller groups fit wherever larger ones do. */
const INTEGERS: readonly Partition[] = [-1, 128, 64, 32].map((blockColumns) => ({
  levels: "integer",
  blockRows: 1,
  blockColumns,
}));
const MXFP4: Partition = { levels: "E2M1", blockRows: 1, blockColumns: 32 };
const NVFP4: Partition = { levels: "E2M1", blockRows: 1, blockColumns: 16 };
const TABLES: readonly Partition[] = [
  MXFP4,
  NVFP4,
  { levels: "E4M3", blockRows: BAND_MULTIPLE, blockColumns: BAND_MULTIPLE },
  { levels: "E4M3", blockRows: 1, blockColumns: -1 },
];

/** A grid that all rows so far lie on. */
interface Candidate {
  readonly partition: Partition;
  readonly fit: FitGroup;
  readonly factor?: number | undefined;
  readonly seen: GroupsSeen;
}

/** Bits of a weight's float that are taken to be random: sign, significand and two of the exponent of a bf16. */
const FLOAT_BITS = 10;
/** A grid must explain so many bits more than its own codes and scales hold: one in 2^64 tensors does by chance. */
const LEAST_SAVING = 64;
const SCALE_BITS = 32;

/**
 * The search over one tensor. `probe` sees the first rows and drops what they are not on. Then each `pass` sees all rows
 * in order, in bands that begin at multiples of `BAND_MULTIPLE`, until `add` returns false; `end` closes the pass.
 */
export class GridSearch {
  private readonly rows: number;
  private readonly columns: number;
  private readonly type: HidingType;
  private integers: Partition[];
  private tables: Partition[];
  private candidates: Candidate[] = [];
  private factor: number | undefined;
  /** Groups that were looked at: what the search costs. */
  groupsSeen = 0;

  constructor(rows: number, columns: number, type: HidingType) {
    this.rows = rows;
    this.columns = columns;
    this.type = type;
    const fits = ({ blockColumns }: Partition): boolean => blockColumns === -1 || blockColumns < columns;
    this.integers = INTEGERS.filter(fits);
    this.tables = TABLES.filter(
      (partition) => fits(partition) || (partition.blockColumns === columns && partition.levels === "E2M1"),
    );
  }

  /** The first rows, in whole. False: the floats are on none of the grids. */
  probe(values: Float32Array): boolean {
    this.factor = this.tables.includes(NVFP4)
      ? nvfp4Factor(this.type, groupsOf(values, this.columns, NVFP4))
      : undefined;
    const holds = (partition: Partition): boolean => {
      const candidate = this.candidateOf(partition);
      return candidate !== undefined && this.takes(candidate, values);
    };
    // larger groups that fit stand for the smaller ones
    const first = this.integers.findIndex(holds);
    this.integers = first < 0 ? [] : this.integers.slice(first);
    this.tables = this.tables.filter(holds);
    return this.integers.length + this.tables.length > 0;
  }

  /** Begins a pass over all rows. False: there is nothing to look for. */
  begin(): boolean {
    const partitions = [...this.integers.slice(0, 1), ...this.tables];
    this.candidates = partitions.flatMap((partition) => this.candidateOf(partition) ?? []);
    return this.candidates.length > 0;
  }

  /** The next rows of a pass. False: they end it. */
  add(values: Float32Array): boolean {
    if (values.length % this.columns !== 0) throw new UsageError("A band is not made of whole rows.");
    this.candidates = this.candidates.filter((candidate) => this.takes(candidate, values));
    return this.candidates.length > 0;
  }

  /** Ends a pass. "again": another pass over all rows can tell, of smaller groups. */
  end(): FoundGrid | "again" | undefined {
    const found = this.candidates
      .map((candidate) => ({ candidate, size: sizeOf(candidate) }))
      .filter(({ candidate, size }) => candidate.seen.nonzero * FLOAT_BITS - size >= LEAST_SAVING)
      .sort((a, b) => a.size - b.size)[0]?.candidate;
    if (found !== undefined) return this.found(found);
    const [, ...finer] = this.integers;
    this.tables = [];
    this.integers = finer;
    return finer.length > 0 && this.candidates.length === 0 ? "again" : undefined;
  }

  private candidateOf(partition: Partition): Candidate | undefined {
    const seen = new GroupsSeen();
    const { type, factor } = this;
    if (partition === MXFP4) return { partition, seen, fit: mxfp4Fit(type) };
    if (partition === NVFP4) {
      return factor === undefined ? undefined : { partition, seen, factor, fit: nvfp4Fit(type, factor) };
    }
    return { partition, seen, fit: partition.levels === "E4M3" ? float8Fit(type) : integerFit(type) };
  }

  private takes({ partition, fit, seen }: Candidate, values: Float32Array): boolean {
    for (const group of groupsOf(values, this.columns, partition)) {
      this.groupsSeen++;
      const own = fit(group);
      if (own === undefined) return false;
      seen.add(own);
    }
    seen.nonzero += countNonzero(values);
    return true;
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
      scale: partition === MXFP4 ? "E8M0" : partition === NVFP4 ? "E4M3" : seen.scales.narrowest,
      ...(factor === undefined ? {} : { factor }),
      rounding: seen.exact ? "none" : this.type,
    };
  }
}

/** Bits that a grid takes for the weights that are not 0. */
function sizeOf({ partition, seen }: Candidate): number {
  return seen.nonzero * widthOf(partition, seen).bits + seen.groups * SCALE_BITS;
}

function widthOf({ levels }: Partition, seen: GroupsSeen): Pick<HiddenGrid, "bits" | "symmetric"> {
  if (levels === "integer") return seen.width;
  return { bits: levels === "E2M1" ? 4 : 8, symmetric: true };
}

function countNonzero(values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count;
}
