/** The levels that the codes of a type mean, ascending, and a fast way to the nearest one. */
export interface Levels {
  readonly values: Float32Array;
  /** The code whose level is nearest to a number. */
  nearest(value: number): number;
}

export function integerLevels(min: number, max: number): Levels {
  const last = max - min;
  return {
    values: Float32Array.from({ length: last + 1 }, (_, code) => min + code),
    nearest: (value) => Math.max(0, Math.min(last, Math.round(value) - min)),
  };
}

/** The borders between codes are halfway between their levels. */
export function tableLevels(table: ArrayLike<number>): Levels {
  const values = Float32Array.from(table);
  const borders = Float64Array.from(
    { length: table.length - 1 },
    (_, i) => (values[i]! + values[i + 1]!) / 2,
  );
  return {
    values,
    nearest(value) {
      let code = 0;
      while (code < borders.length && value > borders[code]!) code++;
      return code;
    },
  };
}
