/** How far along a row scales or zero points stay the same, from the groups of the columns. */

/** Sizes of blocks that `scaleBlockSize` and `zeroBlockSize` tell apart, the largest first. */
export const BLOCK_SIZES = [256, 128, 64, 32, 16] as const;

/** True where the columns of one group do not stand together. */
export function isScattered(groupOfColumn: Int32Array): boolean {
  for (let column = 1; column < groupOfColumn.length; column++) {
    if (groupOfColumn[column]! < groupOfColumn[column - 1]!) return true;
  }
  return false;
}

/** A column whose group is not that of the column before. */
interface Seam {
  readonly column: number;
  readonly left: number;
  readonly right: number;
}

export function groupSeams(groupOfColumn: Int32Array): Seam[] {
  const seams: Seam[] = [];
  for (let column = 1; column < groupOfColumn.length; column++) {
    const left = groupOfColumn[column - 1]!;
    const right = groupOfColumn[column]!;
    if (left !== right) seams.push({ column, left, right });
  }
  return seams;
}

/** Values between no seams. */
export const NO_VALUES = /* @__PURE__ */ new Int16Array(0);

/** The bits of a finite f16 that are 0 in both zeros, which are equal. */
const MAGNITUDE = 0x7fff;

/**
 * The largest aligned block in which neighbouring groups, where a block holds several, have equal values in every row.
 * Sixteen-bit words are finite f16.
 */
export function sharedBlockSize(
  rows: number,
  columns: number,
  seams: readonly Seam[],
  { groupStep, rowStep }: { readonly groupStep: number; readonly rowStep: number },
  values: Float32Array | Int16Array | Uint16Array,
): number {
  const areHalves = values instanceof Uint16Array;
  /** Equal in all rows? asked once per pair of neighbouring groups */
  const known = new Map<string, boolean>();
  const equal = ({ left, right }: Seam): boolean => {
    const key = `${left} ${right}`;
    let answer = known.get(key);
    if (answer === undefined) {
      answer = true;
      const ahead = (right - left) * groupStep;
      for (let row = 0, at = left * groupStep; row < rows; row++, at += rowStep) {
        const [a, b] = [values[at]!, values[at + ahead]!];
        if (a === b || (areHalves && ((a | b) & MAGNITUDE) === 0)) continue;
        answer = false;
        break;
      }
      known.set(key, answer);
    }
    return answer;
  };
  return (
    BLOCK_SIZES.find(
      (size) => columns % size === 0 && seams.every((seam) => seam.column % size === 0 || equal(seam)),
    ) ?? 1
  );
}
