/**
 * The mixes of widths that a weight can have. A share of its columns, the ones that matter most, gets the larger width.
 * The head's recipes are exllamav2's own (conversion/qparams.py, qparams_headoptions); the list for the other linears is
 * Requant's own, with enough steps between 2 and 8 bits to approach any average.
 */
export interface Exl2Recipe {
  /** Descending widths; shares of the columns add up to 1. */
  readonly widths: readonly Exl2Width[];
}

/** A share of the columns that is stored with one width of codes. */
export interface Exl2Width {
  readonly bits: number;
  readonly share: number;
  /** Columns per group. */
  readonly groupSize: number;
}

function mixed(...widths: (readonly [bits: number, share: number, groupSize: number])[]): Exl2Recipe {
  return { widths: widths.map(([bits, share, groupSize]) => ({ bits, share, groupSize })) };
}

function mix(groupSize: number, ...widths: (readonly [bits: number, share: number])[]): Exl2Recipe {
  return { widths: widths.map(([bits, share]) => ({ bits, share, groupSize })) };
}

/**
 * Mixes with few columns of a much larger width are for weights whose inputs have outliers, as those of down projections.
 */
export const exl2Recipes: readonly Exl2Recipe[] = /* @__PURE__ */ recipesOfLayers();

function recipesOfLayers(): Exl2Recipe[] {
  return [
    mix(64, [3, 0.05], [2, 0.95]),
    mix(64, [3, 0.25], [2, 0.75]),
    mixed([5, 0.05, 32], [3, 0.1, 64], [2, 0.85, 64]),
    mix(64, [3, 0.5], [2, 0.5]),
    mix(128, [3, 1]),
    mix(64, [3, 1]),
    mix(32, [3, 1]),
    mixed([5, 0.05, 32], [3, 0.95, 64]),
    mix(64, [4, 0.25], [3, 0.75]),
    mix(64, [4, 0.5], [3, 0.5]),
    mix(128, [4, 1]),
    mix(64, [4, 1]),
    mix(32, [4, 1]),
    mixed([6, 0.05, 32], [4, 0.95, 64]),
    mix(32, [5, 0.25], [4, 0.75]),
    mix(64, [5, 0.5], [4, 0.5]),
    mix(64, [5, 1]),
    mix(64, [6, 0.5], [5, 0.5]),
    mix(128, [6, 1]),
    mix(32, [6, 1]),
    mix(128, [8, 0.25], [6, 0.75]),
    mix(128, [8, 0.5], [6, 0.5]),
    mix(128, [8, 1]),
  ];
}

/** Mixes of widths for lm_head, by their bits. */
export const exl2HeadRecipes: Readonly<Record<number, Exl2Recipe>> = /* @__PURE__ */ recipesOfHeads();

function recipesOfHeads(): Record<number, Exl2Recipe> {
  return {
    2: mix(32, [4, 0.3], [2, 0.7]),
    3: mix(32, [4, 0.15], [3, 0.85]),
    4: mix(32, [6, 0.15], [4, 0.85]),
    5: mix(128, [6, 0.15], [5, 0.85]),
    6: mix(128, [8, 0.15], [6, 0.85]),
    8: mix(128, [8, 1]),
  };
}

/** Groups of a recipe for K columns: whole groups per width, `ceil(share × K / group size)` of them while columns last. */
export function recipeGroups(recipe: Exl2Recipe, columns: number): { bits: number; rows: number }[] {
  const { widths } = recipe;
  const groups: { bits: number; rows: number }[] = [];
  let left = columns;
  widths.forEach(({ bits, share, groupSize }, index) => {
    const wanted = index === widths.length - 1 ? left : Math.min(columns * share, left);
    for (let count = Math.ceil(wanted / groupSize); count > 0 && left > 0; count--) {
      const rows = Math.min(groupSize, left);
      groups.push({ bits, rows });
      left -= rows;
    }
  });
  return groups;
}

/** All stored bits of a weight, as exllamav2 counts them. */
export function recipeBits(recipe: Exl2Recipe, rows: number, columns: number): number {
  const groups = recipeGroups(recipe, columns);
  const codes = groups.reduce((sum, group) => sum + group.bits * group.rows * rows, 0);
  return codes + groups.length * (16 + 32 + 4 * rows) + 32 * columns;
}
