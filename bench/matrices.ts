/**
 * The steps of a forward pass on one layer of a model of half a billion weights (hidden 896, feed-forward 4864, 14 heads over 2,
 * 2048 tokens), and the sums that calibration needs: billions of operations a second, the best and the
 * median of several runs. On a machine with other work, the rate per second of a core is the one to look at.
 * node --conditions=@requant/source bench/matrices.ts [threads …]
 */
import { type Compute, referenceCompute, wasmCompute } from "@requant/calibrate";
import { nodeThreads } from "@requant/calibrate/node";
import { randomNumbers } from "./random.ts";

const TOKENS = 2048;
const HIDDEN = 896;
const FORWARD = 4864;
const HEADS = 14;
const KEY_HEADS = 2;
const HEAD_LENGTH = 64;
const RUNS = 7;

const random = randomNumbers(88172645);
const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5);

interface Step {
  readonly name: string;
  /** Multiplications and additions. */
  readonly operations: number;
  run(compute: Compute): Promise<void> | void;
}

/** `place` gives an array, in the backend's memory or outside. */
function steps(place: (values: Float32Array) => Float32Array): Step[] {
  const input = place(numbers(TOKENS * HIDDEN));
  const wide = place(numbers(TOKENS * FORWARD));
  const gate = place(numbers(TOKENS * FORWARD));
  const square = place(numbers(HIDDEN * HIDDEN));
  const up = place(numbers(FORWARD * HIDDEN));
  const out = place(numbers(TOKENS * HIDDEN));
  const sums = place(new Float32Array(HIDDEN * HIDDEN));
  const wideSums = place(new Float32Array(FORWARD * FORWARD));
  const keys = place(numbers(TOKENS * KEY_HEADS * HEAD_LENGTH));
  const values = place(numbers(TOKENS * KEY_HEADS * HEAD_LENGTH));
  const attention = (tokens: number): Step => ({
    name: `attention, windows of ${tokens}`,
    operations: 2 * TOKENS * tokens * HEADS * HEAD_LENGTH,
    run: (compute) =>
      compute.attention(
        Array.from({ length: TOKENS / tokens }, (_, window) => {
          const part = (all: Float32Array): Float32Array => {
            const length = (all.length / TOKENS) * tokens;
            return all.subarray(window * length, (window + 1) * length);
          };
          return {
            queries: part(input),
            keys: part(keys),
            values: part(values),
            out: part(out),
            tokens,
            heads: HEADS,
            keyHeads: KEY_HEADS,
            headLength: HEAD_LENGTH,
            scale: 0.125,
            cap: 0,
            reach: 0,
          };
        }),
      ),
  });
  return [
    {
      name: "product [2048, 896] × [896, 896]",
      operations: 2 * TOKENS * HIDDEN * HIDDEN,
      run: (compute) => compute.product(input, square, TOKENS, HIDDEN, HIDDEN, out),
    },
    {
      name: "product [2048, 896] × [4864, 896]",
      operations: 2 * TOKENS * FORWARD * HIDDEN,
      run: (compute) => compute.product(input, up, TOKENS, FORWARD, HIDDEN, wide),
    },
    {
      name: "product [2048, 4864] × [896, 4864]",
      operations: 2 * TOKENS * FORWARD * HIDDEN,
      run: (compute) => compute.product(gate, up, TOKENS, HIDDEN, FORWARD, out),
    },
    attention(256),
    attention(2048),
    {
      name: "SiLU × up of [2048, 4864]",
      operations: TOKENS * FORWARD,
      run: (compute) => compute.activate("silu", gate, wide),
    },
    {
      name: "moments of [2048, 896]",
      operations: TOKENS * HIDDEN * HIDDEN,
      run: (compute) => compute.addMoments(input, TOKENS, HIDDEN, sums),
    },
    {
      name: "moments of [2048, 4864]",
      operations: TOKENS * FORWARD * FORWARD,
      run: (compute) => compute.addMoments(gate, TOKENS, FORWARD, wideSums),
    },
  ];
}

async function measure(title: string, compute: Compute, list: readonly Step[], runs: number): Promise<void> {
  console.log(title);
  for (const { name, operations, run } of list) {
    const seconds: number[] = [];
    const worked: number[] = [];
    for (let i = 0; i < runs; i++) {
      const start = performance.now();
      const before = process.cpuUsage();
      await run(compute);
      const { user, system } = process.cpuUsage(before);
      seconds.push((performance.now() - start) / 1000);
      worked.push((user + system) / 1e6);
    }
    const rates = [seconds, worked].flatMap((times) => {
      times.sort((a, b) => a - b);
      return [0, Math.floor(runs / 2)].map((index) =>
        (operations / (times[index] ?? 1) / 1e9).toFixed(1).padStart(6),
      );
    });
    const [best, median, bestWorked, medianWorked] = rates;
    console.log(
      `  ${name.padEnd(36)} G/s: best ${best}  median ${median}; per second of a core: best ${bestWorked}  median ${medianWorked}`,
    );
  }
  await compute.close();
}

const asked = process.argv.slice(2).map(Number);
for (const jobs of asked.length > 0 ? asked : [1, 2]) {
  const inside = wasmCompute({ threads: nodeThreads({ jobs }) });
  const place = (values: Float32Array): Float32Array => {
    const placed = inside.allocate(values.length).values;
    placed.set(values);
    return placed;
  };
  await measure(`${inside.name}, operands in its memory`, inside, steps(place), RUNS);
  const outside = wasmCompute({ threads: nodeThreads({ jobs }) });
  await measure(
    `${outside.name}, operands elsewhere`,
    outside,
    steps((values) => values),
    RUNS,
  );
}
if (asked.length === 0) {
  const plain = referenceCompute;
  await measure(plain.name, plain, steps((values) => values).slice(0, 1), 1);
}
