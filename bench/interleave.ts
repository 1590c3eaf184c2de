import { type Measurement, type PartName, spread } from "./results.ts";

export interface Contender {
  readonly name: string;
  readonly run: () => void;
  readonly same?: boolean;
}

export interface InterleaveOptions {
  /** The most samples of each contender. */
  readonly rounds: number;
  /** A sample repeats until it takes this long. */
  readonly sampleSeconds: number;
  /** Each contender runs this long first: engines compile in the background, late on a busy machine. */
  readonly warmUpSeconds: number;
  /** All samples of a task together take at most about this long; at least three samples of each contender are taken. */
  readonly taskSeconds: number;
}

interface Sample {
  readonly wall: number;
  readonly cpu: number;
}

function sample(run: () => void, repeats: number): Sample {
  const wallStart = performance.now();
  const cpuStart = process.cpuUsage();
  for (let i = 0; i < repeats; i++) run();
  const { user, system } = process.cpuUsage(cpuStart);
  const wall = (performance.now() - wallStart) / 1e3;
  return { wall: wall / repeats, cpu: (user + system) / 1e6 / repeats };
}

function warmUp(run: () => void, seconds: number): void {
  const end = performance.now() + 1e3 * seconds;
  do run();
  while (performance.now() < end);
}

/** How often a sample must repeat `run`. */
function repeatsFor(run: () => void, seconds: number): number {
  let repeats = 1;
  for (;;) {
    const { wall } = sample(run, repeats);
    if (wall * repeats >= seconds) return repeats;
    repeats = Math.ceil(repeats * Math.min(10, Math.max(1.5, (1.2 * seconds) / (wall * repeats))));
  }
}

/** Measures contenders in turns, so that other work on the machine affects all of them alike. */
export function interleave(
  part: PartName,
  task: string,
  bytes: number,
  contenders: readonly Contender[],
  options: InterleaveOptions,
): Measurement[] {
  const entries = contenders.map((contender) => {
    warmUp(contender.run, options.warmUpSeconds);
    return { contender, repeats: repeatsFor(contender.run, options.sampleSeconds), samples: [] as Sample[] };
  });
  const start = performance.now();
  for (let round = 0; round < options.rounds; round++) {
    const late = performance.now() - start > 1e3 * options.taskSeconds;
    if (round >= Math.min(3, options.rounds) && late) break;
    for (const { contender, repeats, samples } of entries) samples.push(sample(contender.run, repeats));
  }
  return entries.map(({ contender, samples }) => ({
    part,
    task,
    contender: contender.name,
    samples: samples.length,
    wallSeconds: spread(samples.map(({ wall }) => wall)),
    cpuSeconds: spread(samples.map(({ cpu }) => cpu)),
    bytes,
    ...(contender.same === undefined ? {} : { same: contender.same }),
  }));
}
