/**
 * A sum in f32 in the order in which torch adds on one thread with vectors of eight (pytorch, aten/src/ATen/native/cpu/SumKernel.cpp,
 * `cascade_sum`): four vectors side by side, their sums in levels. Another order changes the last bits. torch splits long
 * tensors between threads, so that their sums differ from machine to machine.
 */
const VECTOR = 8;
/** Vectors side by side. */
const SIDE = 4;
const LANES = VECTOR * SIDE;
const LEVELS = 4;

const f32 = Math.fround;

function addTo(sums: Float32Array, summands: Float32Array): void {
  for (let lane = 0; lane < LANES; lane++) sums[lane] = sums[lane]! + summands[lane]!;
}

export class SumF32 {
  readonly #levels = Array.from({ length: LEVELS }, () => new Float32Array(LANES));
  readonly #tail = new Float32Array(VECTOR);
  readonly #wholeEnd: number;
  readonly #vectorEnd: number;
  readonly #power: number;
  #index = 0;
  #rest = 0;

  /** @param count the number of all summands */
  constructor(count: number) {
    const rows = Math.floor(count / LANES);
    this.#wholeEnd = rows * LANES;
    this.#vectorEnd = Math.floor(count / VECTOR) * VECTOR;
    this.#power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(rows, 1))) / LEVELS));
  }

  add(value: number): void {
    const index = this.#index++;
    if (index >= this.#vectorEnd) this.#rest = f32(this.#rest + value);
    else if (index >= this.#wholeEnd) this.#addToTail(index % VECTOR, value);
    else {
      const [lowest] = this.#levels;
      const lane = index % LANES;
      lowest![lane] = lowest![lane]! + value;
      if (lane === LANES - 1) this.#carry((index + 1) / LANES);
    }
  }

  /** Vectors after the last whole row are added after the levels. */
  #addToTail(lane: number, value: number): void {
    if (this.#index - 1 === this.#wholeEnd) this.#collapse();
    this.#tail[lane] = this.#tail[lane]! + value;
  }

  /** Moves full sums to the next level. */
  #carry(rows: number): void {
    const step = 2 ** this.#power;
    if (rows % step !== 0) return;
    for (let level = 1; level < LEVELS; level++) {
      const below = this.#levels[level - 1]!;
      addTo(this.#levels[level]!, below);
      below.fill(0);
      if (Math.floor(rows / step ** level) % step !== 0) break;
    }
  }

  #isCollapsed = false;

  #collapse(): void {
    if (this.#isCollapsed) return;
    this.#isCollapsed = true;
    const [lowest, ...higher] = this.#levels;
    for (const level of higher) addTo(lowest!, level);
    this.#tail.set(lowest!.subarray(0, VECTOR));
  }

  get total(): number {
    this.#collapse();
    const [lowest] = this.#levels;
    const lanes = Float32Array.from(this.#tail);
    for (let side = 1; side < SIDE; side++) {
      for (let lane = 0; lane < VECTOR; lane++) lanes[lane] = lanes[lane]! + lowest![side * VECTOR + lane]!;
    }
    return lanes.reduce((sum, lane) => f32(sum + lane), this.#rest);
  }
}
