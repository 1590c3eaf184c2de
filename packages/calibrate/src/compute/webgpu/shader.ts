/** The program that the device runs: one matrix product by tiles. */

/** Rows and columns of the tile of a workgroup, and the steps of a product that it keeps in workgroup memory at a time. */
export const TILE = { rows: 128, columns: 64, steps: 16 } as const;

/** Each of the 16 × 16 invocations of a workgroup computes this many rows of four columns. */
const ROWS_EACH = 8;

/** Rows come in groups of four, a vector each. One vector more between steps spreads them over the banks of the memory. */
const LEFT_PITCH = TILE.rows / 4 + 1;
const RIGHT_PITCH = TILE.columns / 4 + 1;

const rows: readonly number[] = Array.from({ length: ROWS_EACH }, (_, row) => row);
const lines = (line: (row: number) => string): string => rows.map(line).join("\n");
const part = (row: number): string => `left${Math.floor(row / 4)}.${"xyzw"[row % 4]}`;

/**
 * out[row, column] += or = Σ over steps of left(row, step) × right(column, step). Both operands are read at
 * start + row × rowStride + step × stepStride, so that one program multiplies rows with rows and columns with columns.
 * Sums are f32; those of 16 steps at a time are added to the total, so that rounding errors stay small in long sums.
 */
export const tilesShader = `
struct Operand { start: u32, count: u32, rowStride: u32, stepStride: u32 }
struct Task {
  left: Operand,
  right: Operand,
  steps: u32,
  outStride: u32,
  adds: u32,
  upperOnly: u32,
}

@group(0) @binding(0) var<uniform> task: Task;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> leftTile: array<vec4f, ${TILE.steps * LEFT_PITCH}>;
var<workgroup> rightTile: array<vec4f, ${TILE.steps * RIGHT_PITCH}>;

fn leftAt(row: u32, step: u32) -> f32 {
  if (row >= task.left.count || step >= task.steps) { return 0.0; }
  return left[task.left.start + row * task.left.rowStride + step * task.left.stepStride];
}

fn rightAt(row: u32, step: u32) -> f32 {
  if (row >= task.right.count || step >= task.steps) { return 0.0; }
  return right[task.right.start + row * task.right.rowStride + step * task.right.stepStride];
}

fn leftFour(row: u32, step: u32) -> vec4f {
  return vec4f(leftAt(row, step), leftAt(row + 1u, step), leftAt(row + 2u, step), leftAt(row + 3u, step));
}

fn rightFour(row: u32, step: u32) -> vec4f {
  return vec4f(rightAt(row, step), rightAt(row + 1u, step), rightAt(row + 2u, step), rightAt(row + 3u, step));
}

fn store(row: u32, column: u32, sum: f32) {
  if (row >= task.left.count || column >= task.right.count) { return; }
  let at = row * task.outStride + column;
  if (task.adds != 0u) { out[at] += sum; } else { out[at] = sum; }
}

fn storeFour(row: u32, column: u32, sums: vec4f) {
  store(row, column, sums.x);
  store(row, column + 1u, sums.y);
  store(row, column + 2u, sums.z);
  store(row, column + 3u, sums.w);
}

@compute @workgroup_size(16, 16)
fn multiply(
  @builtin(workgroup_id) tile: vec3u,
  @builtin(local_invocation_id) place: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let firstRow = tile.y * ${TILE.rows}u;
  let firstColumn = tile.x * ${TILE.columns}u;
  if (task.upperOnly != 0u && firstColumn + ${TILE.columns - 1}u < firstRow) { return; }
  /* neighbouring invocations read neighbours in memory, be they steps or rows */
  let stepsAreNeighbours = task.left.stepStride == 1u;
  let four = select(index % 16u, index / 16u, stepsAreNeighbours);
  let depth = select(index / 16u, index % 16u, stepsAreNeighbours);
${lines((row) => `  var total${row} = vec4f();`)}
  for (var first = 0u; first < task.steps; first += ${TILE.steps}u) {
    let step = first + depth;
    leftTile[depth * ${LEFT_PITCH}u + four] = leftFour(firstRow + 4u * four, step);
    leftTile[depth * ${LEFT_PITCH}u + 16u + four] = leftFour(firstRow + 64u + 4u * four, step);
    rightTile[depth * ${RIGHT_PITCH}u + four] = rightFour(firstColumn + 4u * four, step);
    workgroupBarrier();
${lines((row) => `    var sum${row} = vec4f();`)}
    for (var at = 0u; at < ${TILE.steps}u; at++) {
      let left0 = leftTile[at * ${LEFT_PITCH}u + 2u * place.y];
      let left1 = leftTile[at * ${LEFT_PITCH}u + 2u * place.y + 1u];
      let four = rightTile[at * ${RIGHT_PITCH}u + place.x];
${lines((row) => `      sum${row} = fma(vec4f(${part(row)}), four, sum${row});`)}
    }
${lines((row) => `    total${row} += sum${row};`)}
    workgroupBarrier();
  }
  let row = firstRow + ${ROWS_EACH}u * place.y;
  let column = firstColumn + 4u * place.x;
${lines((row) => `  storeFour(row + ${row}u, column, total${row});`)}
}
`;

/** The numbers of an operand in the program's task. */
export interface Operand {
  readonly start: number;
  readonly count: number;
  readonly rowStride: number;
  readonly stepStride: number;
}

/** The numbers of the program's task. */
export interface TilesTask {
  readonly left: Operand;
  readonly right: Operand;
  readonly steps: number;
  readonly outStride: number;
  /** Add to what is in out. */
  readonly adds: boolean;
  /** Leave out tiles that lie wholly below the diagonal. */
  readonly upperOnly: boolean;
}

/** The fields of the struct `Task`, in the same order. */
export function taskWords({
  left,
  right,
  steps,
  outStride,
  adds,
  upperOnly,
}: TilesTask): Uint32Array<ArrayBuffer> {
  const operand = ({ start, count, rowStride, stepStride }: Operand) => [start, count, rowStride, stepStride];
  return Uint32Array.of(
    ...operand(left),
    ...operand(right),
    steps,
    outStride,
    Number(adds),
    Number(upperOnly),
  );
}
