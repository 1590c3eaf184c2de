/** Which characters of the sources have run, from V8's own block counters, without instrumenting or rebuilding. */
import { type Profiler, Session } from "node:inspector";

/** Characters of functions, by function. */
export type Places = Map<string, Set<number>>;

export class Coverage {
  readonly #session = new Session();
  /** One mark for each character. */
  readonly #known = new Map<string, Uint8Array>();
  readonly #isOurs: (url: string) => boolean;
  /** Characters that have run so far. */
  count = 0;

  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** The places that ran since the last call and never before. */
  takeNew(): Places {
    const places: Places = new Map();
    for (const [key, marks] of this.#take()) {
      const known = this.#known.get(key) ?? new Uint8Array(marks.length);
      this.#known.set(key, known);
      const fresh = new Set<number>();
      for (let i = 0; i < marks.length; i++) if (marks[i] === 1 && known[i] === 0) fresh.add(i);
      for (const place of fresh) known[place] = 1;
      this.count += fresh.size;
      if (fresh.size > 0) places.set(key, fresh);
    }
    return places;
  }

  /** Removes the places that ran since the last call from `places`; true when there were any. */
  strike(places: Places): boolean {
    let found = false;
    for (const [key, marks] of this.#take()) {
      const wanted = places.get(key);
      if (wanted === undefined) continue;
      for (const place of wanted) {
        if (marks[place] !== 1) continue;
        wanted.delete(place);
        found = true;
      }
      if (wanted.size === 0) places.delete(key);
    }
    return found;
  }

  #take(): Map<string, Uint8Array> {
    const taken = new Map<string, Uint8Array>();
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error !== null) throw error;
      for (const script of answer.result) {
        if (!this.#isOurs(script.url)) continue;
        for (const { isBlockCoverage, ranges } of script.functions) {
          const first = ranges[0];
          if (!isBlockCoverage || first === undefined || first.count === 0) continue;
          taken.set(`${script.scriptId}:${first.startOffset}`, marksOf(ranges, first));
        }
      }
    });
    return taken;
  }

  stop(): void {
    this.#session.disconnect();
  }
}

/** Inner ranges come after the outer ones, and have their own counts. */
function marksOf(ranges: readonly Profiler.CoverageRange[], whole: Profiler.CoverageRange): Uint8Array {
  const marks = new Uint8Array(whole.endOffset - whole.startOffset);
  for (const { startOffset, endOffset, count } of ranges)
    marks.fill(count > 0 ? 1 : 0, startOffset - whole.startOffset, endOffset - whole.startOffset);
  return marks;
}
