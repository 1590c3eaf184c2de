/** Views whose codes become the codes of a table of levels: E2M1 or E4M3, say. */
import { UsageError } from "../errors.ts";
import { type GroupedView, groupedView, type Reformed } from "./grouped-view.ts";
import { sequentialGroups } from "./integer-view.ts";
import { isLevelView, levelViewOf, type StoredView } from "./level-view.ts";
import type { LevelTable, Misfit } from "./requirement.ts";

/** A view whose codes are those of a layout's own table, and whose groups are the layout's: value = scale × level[code]. */
export interface TableView extends Omit<GroupedView, "levels" | "zeros" | "biases"> {
  /** The name of the table. */
  readonly table: string;
}

/**
 * A view in the codes of a table, in groups of `size` columns. A view of the same levels, or of the same levels times a
 * power of two, keeps its codes; other levels and integers get the codes of the same values.
 */
export function fitTable(
  view: StoredView,
  table: LevelTable,
  size: number,
  name: string,
): Reformed<TableView> {
  const grouped = groupedView(isLevelView(view) ? view : levelViewOf(view));
  if (grouped.view === undefined) return grouped;
  const found = translate(grouped.view, table);
  if ("reason" in found) return { misfit: found };
  return regroup(grouped.view, found, table, size, name);
}

/** The codes of the table, and what the scales are multiplied by. */
interface Translation {
  readonly codes: Uint8Array;
  readonly scaleFactor: number;
}

/** Twice as many steps are tried, for levels that are counted in halves. */
const FACTORS = [1, 2, 0.5] as const;

function translate(view: GroupedView, table: LevelTable): Translation | Misfit {
  if (view.biases !== undefined) return { reason: `its offsets are floats, and ${table.name} has none` };
  const { levels } = view;
  if (levels === "integer") return fromIntegers(view, table);
  for (const factor of FACTORS) {
    if (sameLevels(levels, table.levels, factor)) return { codes: view.codes, scaleFactor: factor };
  }
  for (const factor of FACTORS) {
    const codeOf = Int16Array.from(levels, (level) => codeOfLevel(table.levels, level / factor));
    const codes = new Uint8Array(view.codes.length);
    if (
      view.codes.every((code, i) => {
        const own = codeOf[code]!;
        codes[i] = own;
        return own >= 0;
      })
    )
      return { codes, scaleFactor: factor };
  }
  return { reason: `its levels are not those of ${table.name}` };
}

/** A table may have 0 where another has −0 (ggml): the code is the same. */
function sameLevels(levels: Float32Array, own: Float32Array, factor: number): boolean {
  return (
    levels.length === own.length &&
    levels.every((level, code) => {
      const other = Math.fround(own[code]! * factor);
      return level === other || Object.is(level, other);
    })
  );
}

/** −1: no code has this level. */
function codeOfLevel(levels: Float32Array, level: number): number {
  return levels.indexOf(level);
}

function fromIntegers(view: GroupedView, table: LevelTable): Translation | Misfit {
  const { rows, columns, codes: stored, groupCount, groupOfColumn, zeros } = view;
  const codes = new Uint8Array(stored.length);
  // offsets are whole numbers; a table in halves has twice as many
  for (const factor of FACTORS) {
    const known = new Map<number, number>();
    const codeOf = (offset: number): number => {
      const found = known.get(offset) ?? codeOfLevel(table.levels, offset / factor);
      known.set(offset, found);
      return found;
    };
    let fits = true;
    for (let row = 0, at = 0; row < rows && fits; row++) {
      for (let column = 0; column < columns; column++, at++) {
        const zero = zeros?.[row * groupCount + groupOfColumn[column]!] ?? 0;
        const code = codeOf(stored[at]! - zero);
        if (code < 0) {
          fits = false;
          break;
        }
        codes[at] = code;
      }
    }
    if (fits) return { codes, scaleFactor: factor };
  }
  return { reason: `codes minus zero points are not all levels of ${table.name}` };
}

function regroup(
  view: GroupedView,
  { codes, scaleFactor }: Translation,
  table: LevelTable,
  size: number,
  name: string,
): Reformed<TableView> {
  const { rows, columns, rounding } = view;
  const groupOfColumn = sequentialGroups(columns, size);
  const blocks = groupsOfBlocks(view.groupOfColumn, size);
  const groupCount = blocks.length;
  const scales = new Float32Array(rows * groupCount);
  for (let row = 0; row < rows; row++) {
    const from = row * view.groupCount;
    for (let block = 0; block < groupCount; block++) {
      const [first = 0, ...others] = blocks[block]!;
      const scale = view.scales[from + first]!;
      const exact = scale * scaleFactor;
      const to = row * groupCount + block;
      scales[to] = exact;
      if (scales[to] !== exact) {
        return { misfit: { reason: `a scale of row ${row} is too large or too small for ${name}` } };
      }
      if (others.some((group) => view.scales[from + group] !== scale)) {
        return {
          misfit: {
            reason: `different scales meet inside a block of ${size} columns (row ${row}, column ${block * size}), which has one scale in ${name}`,
            hint: "A layout with smaller blocks or groups keeps the values.",
          },
        };
      }
    }
  }
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, rounding, table: table.name } };
}

/** The groups that the columns of each block are in, each once. */
function groupsOfBlocks(groupOfColumn: Int32Array, size: number): (readonly number[])[] {
  const blocks: number[][] = [];
  for (let column = 0; column < groupOfColumn.length; column++) {
    const block = Math.floor(column / size);
    blocks[block] ??= [];
    const groups = blocks[block];
    const group = groupOfColumn[column]!;
    if (!groups.includes(group)) groups.push(group);
  }
  return blocks;
}

/**
 * One scale for each group of each block of rows, `[block × groupCount + group]`.
 * @param rowStart the row of the whole weight at which the view begins, for the message
 * @throws UsageError where rows of a block have different scales
 */
export function scalesOfBlocks(
  { rows, groupCount, scales }: Pick<TableView, "rows" | "groupCount" | "scales">,
  blockRows: number,
  rowStart: number,
): Float32Array {
  const ofBlocks = new Float32Array(Math.ceil(rows / blockRows) * groupCount);
  for (let row = 0, at = 0; row < rows; row++) {
    const to = Math.floor(row / blockRows) * groupCount;
    for (let group = 0; group < groupCount; group++, at++) {
      if (row % blockRows === 0) ofBlocks[to + group] = scales[at]!;
      else if (ofBlocks[to + group] !== scales[at]) {
        throw new UsageError(
          `Row ${rowStart + row} has another scale than the rows before it, with which it shares a block.`,
        );
      }
    }
  }
  return ofBlocks;
}
