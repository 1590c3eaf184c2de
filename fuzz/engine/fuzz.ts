/** The loop: pick an input, change it, run it, keep it when it reached new code. */
import { isCodecError } from "../../packages/core/src/index.ts";
import { Coverage } from "./coverage.ts";
import { Mutator } from "./mutate.ts";
import { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Ends after so many executions, or so much time, whichever comes first. */
  readonly executions?: number | undefined;
  readonly seconds?: number | undefined;
  /** Inputs of earlier runs. */
  readonly corpus?: readonly Uint8Array[] | undefined;
  /** Called with each input before it runs, so that the input is known even if the run hangs. */
  readonly onInput?: ((input: Uint8Array) => void) | undefined;
  /** Without it, mutations are blind: for short runs in a test. Default true. */
  readonly guided?: boolean | undefined;
}

export interface Find {
  readonly input: Uint8Array;
  readonly kind: "error" | "slow" | "memory";
  readonly message: string;
}

export interface FuzzResult {
  readonly executions: number;
  readonly seconds: number;
  readonly finds: readonly Find[];
  /** Inputs that reached new code, without the seeds. */
  readonly reached: readonly Uint8Array[];
  /** Characters of source that ran. */
  readonly covered: number;
}

/** Number of inputs that run between two readings of the counters. */
const BATCH = 128;
const SLOW_MILLISECONDS = 1000;
const MUCH_MEMORY_KILOBYTES = 384 * 1024;
const MOST_FINDS = 20;
const defaultAllowed: NonNullable<FuzzTarget["allowed"]> = ["FORMAT", "LIMIT", "UNSUPPORTED"];

/** Runs one input. @returns the fault that it shows */
export async function tryInput(target: FuzzTarget, input: Uint8Array): Promise<Find | undefined> {
  const started = performance.now();
  const find = await outcomeOf(target, input);
  if (find !== undefined || performance.now() - started < SLOW_MILLISECONDS) return find;
  // a busy machine slows all code down, so measure processor time in another run
  const milliseconds = await processorTime(target, input);
  return milliseconds < SLOW_MILLISECONDS
    ? undefined
    : { input, kind: "slow", message: `took ${milliseconds.toFixed(0)} ms` };
}

async function outcomeOf(target: FuzzTarget, input: Uint8Array): Promise<Find | undefined> {
  try {
    const result = target.run(input);
    if (result instanceof Promise) await result;
  } catch (error) {
    if (isCodecError(error) && (target.allowed ?? defaultAllowed).includes(error.code)) return undefined;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { input, kind: "error", message };
  }
  return undefined;
}

async function processorTime(target: FuzzTarget, input: Uint8Array): Promise<number> {
  const before = process.cpuUsage();
  await outcomeOf(target, input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The input of a batch that probably used much memory: the slowest one. */
async function heaviest(target: FuzzTarget, batch: readonly Uint8Array[]): Promise<Uint8Array> {
  let found = new Uint8Array(0);
  let most = -1;
  for (const input of batch) {
    const milliseconds = await processorTime(target, input);
    if (milliseconds <= most) continue;
    most = milliseconds;
    found = Uint8Array.from(input);
  }
  return found;
}

export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { seed, executions = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = options;
  const random = new Random(seed);
  const mutator = new Mutator(target, random);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const corpus: Uint8Array[] = [];
  const reached: Uint8Array[] = [];
  const finds = new Map<string, Find>();
  let done = 0;
  let memory = process.resourceUsage().maxRSS;
  const coverage =
    options.guided === false ? undefined : new Coverage((url) => /\/packages\/[^/]+\/src\//.test(url));

  const execute = async (input: Uint8Array): Promise<void> => {
    options.onInput?.(input);
    done += 1;
    const find = await tryInput(target, input);
    if (find !== undefined) finds.set(placeOf(find), finds.get(placeOf(find)) ?? find);
  };

  try {
    const first = [...target.seeds(), ...(options.corpus ?? [])];
    for (const input of first.length > 0 ? first : [new Uint8Array(0)]) {
      await execute(input);
      coverage?.takeNew();
      corpus.push(input);
    }
    while (done < executions && elapsed() < seconds && finds.size < MOST_FINDS) {
      const batch: Uint8Array[] = [];
      for (let i = 0; i < BATCH && done < executions; i++) {
        // in half of the cases an input of the newer half, since it is closer to unknown code
        const from = random.chance(0.5) ? corpus.length >> 1 : 0;
        const base = corpus[from + random.below(corpus.length - from)] ?? new Uint8Array(0);
        const input = mutator.mutate(base, random.pick(corpus));
        batch.push(input);
        await execute(input);
      }
      const now = process.resourceUsage().maxRSS;
      if (now - memory > MUCH_MEMORY_KILOBYTES) {
        const find: Find = {
          input: await heaviest(target, batch),
          kind: "memory",
          message: `${now - memory} KiB in one batch`,
        };
        finds.set(placeOf(find), find);
      }
      memory = now;
      const places = coverage?.takeNew();
      if (coverage === undefined || places === undefined) continue;
      // the counters only have sums, so find the input that ran the new code
      for (const input of batch) {
        if (places.size === 0) break;
        await tryInput(target, input);
        if (!coverage.strike(places)) continue;
        corpus.push(input);
        reached.push(input);
      }
    }
  } finally {
    coverage?.stop();
  }
  return {
    executions: done,
    seconds: elapsed(),
    finds: [...finds.values()],
    reached,
    covered: coverage?.count ?? 0,
  };
}

/** One find for each place in the code is enough. */
function placeOf({ kind, message }: Find): string {
  const lines = message.split("\n").filter((line) => /^\s+at .*packages/.test(line));
  return kind === "error" ? (lines[0] ?? message.slice(0, 80)) : kind;
}
