/**
 * Regular expressions from files, matched in a time that grows at most with name × pattern. A backtracking matcher takes
 * exponential time for some patterns, and an attacker who writes the file chooses both the patterns and the names.
 *
 * All ways through the expression are followed at once (K. Thompson, 1968). That leaves out what refers back to a group
 * and what forbids to try again (atomic groups, possessive counts). Looking ahead is a match of its own, looking behind
 * one from each character before.
 */
import { type ErrorPlace, FormatError, LimitError, UnsupportedError } from "./errors.ts";

/** Rules that list the layers of a model by number are some hundred characters. */
const LONGEST_PATTERN = 1024;
/** The most states of an expression, with its counts written out. */
const MOST_STATES = 8192;
const DEEPEST = 64;
/** Names of modules are under a hundred characters. */
const LONGEST_NAME = 1024;
/** Ten rules for each of a hundred thousand modules take a tenth of it. */
const MOST_STEPS = 5e8;

/** One state: what it takes, and the states after it. */
type State =
  | { readonly kind: "take"; readonly takes: (character: string) => boolean; next: number }
  | { readonly kind: "split"; next: number; other: number }
  | { readonly kind: "start" | "end" | "stop"; next: number }
  | { readonly kind: "boundary"; readonly wanted: boolean; next: number }
  | { readonly kind: "ahead" | "behind"; readonly inner: number; readonly wanted: boolean; next: number }
  | { readonly kind: "done" };

/** The steps that all patterns of one file may use together, so that a file with many patterns gets no more time. */
export interface PatternBudget {
  steps: number;
}

/** A fresh budget of steps for patterns that come from one file. */
export function patternBudget(): PatternBudget {
  return { steps: MOST_STEPS };
}

/**
 * A test whether a name matches from its start (not necessarily to its end), as Python's `re.match` does.
 * @throws FormatError when `pattern` is no regular expression
 * @throws UnsupportedError for constructs that cannot be matched in bounded time
 * @throws LimitError when it is too long; from the test, when a name is, or the budget is used up
 */
export function namePattern(
  pattern: string,
  budget: PatternBudget = patternBudget(),
  place: ErrorPlace = {},
): (name: string) => boolean {
  const { states, start } = new PatternParser(pattern, place).parse();
  return (name) => {
    if (name.length > LONGEST_NAME) {
      throw new LimitError(
        `A name of ${name.length} characters is matched against a rule; at most ${LONGEST_NAME} are.`,
        place,
      );
    }
    return matches({ states, name, budget, place }, start, 0);
  };
}

/** What is the same for all parts of one match. */
interface Matching {
  readonly states: readonly State[];
  readonly name: string;
  readonly budget: PatternBudget;
  readonly place: ErrorPlace;
}

/** `stop`: where a look behind has to end. */
function matches(matching: Matching, start: number, from: number, stop?: number): boolean {
  const { states, name, budget, place } = matching;
  // the memory below is work too, where a name is looked ahead in at each of its characters
  budget.steps -= states.length;
  let current: number[] = [start];
  const seen = new Uint32Array(states.length);
  for (let position = from; ; position++) {
    const next: number[] = [];
    // a stack of states to look at; each is looked at once for a position
    while (current.length > 0) {
      const index = current.pop() ?? 0;
      if (seen[index] === position + 1) continue;
      seen[index] = position + 1;
      budget.steps -= 1;
      if (budget.steps < 0) {
        throw new LimitError("The rules of the configuration take too long to match against the names.", {
          hint: "Write fewer or simpler rules.",
          ...place,
        });
      }
      const state = states[index];
      switch (state?.kind) {
        case "done":
          return true;
        case "take":
          if (position < name.length && state.takes(name[position] ?? "")) next.push(state.next);
          break;
        case "split":
          current.push(state.next, state.other);
          break;
        case "start":
          if (position === 0) current.push(state.next);
          break;
        case "end":
          if (position === name.length) current.push(state.next);
          break;
        case "stop":
          if (position === stop) current.push(state.next);
          break;
        case "boundary":
          if ((isWord(name[position - 1]) !== isWord(name[position])) === state.wanted)
            current.push(state.next);
          break;
        case "ahead":
          if (matches(matching, state.inner, position) === state.wanted) current.push(state.next);
          break;
        case "behind": {
          let found = false;
          for (let first = position; first >= 0 && !found; first--) {
            found = matches(matching, state.inner, first, position);
          }
          if (found === state.wanted) current.push(state.next);
          break;
        }
      }
    }
    if (next.length === 0 || position === name.length) return false;
    current = next;
  }
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /\w/.test(character);
}

/** A piece of an expression; `build` makes its states so that they go on at `next`, and returns the first. */
type Piece = (next: number) => number;

class PatternParser {
  readonly #pattern: string;
  readonly #place: ErrorPlace;
  readonly #states: State[] = [{ kind: "done" }];
  #at = 0;
  #depth = 0;
  #copies = 0;
  #anyCase = false;

  constructor(pattern: string, place: ErrorPlace) {
    this.#pattern = pattern;
    this.#place = place;
  }

  parse(): { states: readonly State[]; start: number } {
    const { length } = this.#pattern;
    if (length > LONGEST_PATTERN) {
      throw new LimitError(
        `The rule "${this.#shown()}" is ${length} characters long; at most ${LONGEST_PATTERN} are read.`,
        this.#place,
      );
    }
    this.#anyCase = this.#skip("(?i)");
    const whole = this.#alternatives();
    if (this.#at < length) this.#malformed("a bracket closes that was not opened");
    return { start: whole(0), states: this.#states };
  }

  #shown(): string {
    return this.#pattern.length > 80 ? `${this.#pattern.slice(0, 80)}…` : this.#pattern;
  }

  #malformed(why: string): never {
    throw new FormatError(`The rule "${this.#shown()}" is not a regular expression: ${why}.`, this.#place);
  }

  #unsupported(what: string): never {
    throw new UnsupportedError(
      `The rule "${this.#shown()}" ${what}, which cannot be matched in bounded time.`,
      {
        hint: "Write the module names out, or use plain .* between their parts.",
        ...this.#place,
      },
    );
  }

  #add(state: State): number {
    if (this.#states.length >= MOST_STATES) this.#tooLarge();
    return this.#states.push(state) - 1;
  }

  #skip(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(): Piece {
    if (++this.#depth > DEEPEST) this.#unsupported(`has brackets more than ${DEEPEST} deep`);
    const ways = [this.#sequence()];
    while (this.#skip("|")) ways.push(this.#sequence());
    this.#depth -= 1;
    return (next) => {
      const starts = ways.map((way) => way(next));
      return starts.reduceRight((other, start) => this.#add({ kind: "split", next: start, other }));
    };
  }

  #sequence(): Piece {
    const pieces: Piece[] = [];
    while (this.#at < this.#pattern.length && !"|)".includes(this.#pattern[this.#at] ?? ""))
      pieces.push(this.#repeated(this.#atom()));
    return (next) => pieces.reduceRight((after, piece) => piece(after), next);
  }

  #repeated(piece: Piece): Piece {
    const counts = this.#counts();
    if (counts === undefined) return piece;
    // whether as much or as little as possible is taken makes no difference to whether it matches
    const isLazy = this.#skip("?");
    if (!isLazy && this.#pattern[this.#at] === "+") this.#unsupported("has a possessive count");
    if (!isLazy && /^([*+]|\{\d)/.test(this.#pattern.slice(this.#at)))
      this.#malformed("there is nothing to repeat");
    const [least, most] = counts;
    return (next) => {
      let first = next;
      if (most === undefined) {
        const loop = this.#add({ kind: "split", next, other: next });
        const split = this.#states[loop];
        if (split?.kind === "split") split.other = piece(loop);
        first = loop;
      } else {
        for (let i = least; i < most; i++)
          first = this.#add({ kind: "split", next, other: this.#copy(piece, first) });
      }
      for (let i = 0; i < least; i++) first = this.#copy(piece, first);
      return first;
    };
  }

  /** A count repeats the states of its piece; a count of an empty piece makes none, and nested counts multiply. */
  #copy(piece: Piece, next: number): number {
    this.#copies += 1;
    if (this.#copies > MOST_STATES) this.#tooLarge();
    return piece(next);
  }

  #tooLarge(): never {
    throw new LimitError(`The rule "${this.#shown()}" has counts that make it too large.`, this.#place);
  }

  #counts(): readonly [least: number, most: number | undefined] | undefined {
    if (this.#skip("*")) return [0, undefined];
    if (this.#skip("+")) return [1, undefined];
    if (this.#skip("?")) return [0, 1];
    const match = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#pattern.slice(this.#at));
    if (match === null) return undefined;
    this.#at += match[0].length;
    const least = Number(match[1]);
    const most = match[2] === undefined ? least : match[3] === undefined ? undefined : Number(match[3]);
    if (most !== undefined && most < least) this.#malformed("a count ends before it begins");
    return [least, most];
  }

  #atom(): Piece {
    const character = this.#pattern[this.#at++] ?? "";
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return this.#take(this.#characterClass());
      case ".":
        return this.#take((one) => one !== "\n");
      case "^":
        return (next) => this.#add({ kind: "start", next });
      case "$":
        return (next) => this.#add({ kind: "end", next });
      case "*":
      case "+":
      case "?":
        return this.#malformed("there is nothing to repeat");
      case "\\":
        if (this.#skip("b")) return (next) => this.#add({ kind: "boundary", wanted: true, next });
        if (this.#skip("B")) return (next) => this.#add({ kind: "boundary", wanted: false, next });
        return this.#take(this.#escape());
      default:
        return this.#take(this.#folded((one) => one === character));
    }
  }

  /** The test in both cases, after "(?i)". */
  #folded(test: (character: string) => boolean): (character: string) => boolean {
    if (!this.#anyCase) return test;
    return (one) => test(one) || test(one.toLowerCase()) || test(one.toUpperCase());
  }

  #take(takes: (character: string) => boolean): Piece {
    return (next) => this.#add({ kind: "take", takes, next });
  }

  #group(): Piece {
    const behind = this.#skip("?<=") ? true : this.#skip("?<!") ? false : undefined;
    if (behind !== undefined) return this.#lookBehind(behind);
    const ahead = this.#skip("?=") ? true : this.#skip("?!") ? false : undefined;
    if (ahead === undefined && !this.#skip("?:")) {
      const name = /^\?P?<[A-Za-z_]\w*>/.exec(this.#pattern.slice(this.#at));
      if (name !== null) this.#at += name[0].length;
      else if (this.#pattern[this.#at] === "?") this.#unsupported("has a special group");
    }
    const inner = this.#alternatives();
    if (!this.#skip(")")) this.#malformed("a bracket is not closed");
    if (ahead === undefined) return inner;
    return (next) => this.#add({ kind: "ahead", inner: inner(0), wanted: ahead, next });
  }

  #lookBehind(wanted: boolean): Piece {
    const inner = this.#alternatives();
    if (!this.#skip(")")) this.#malformed("a bracket is not closed");
    return (next) =>
      this.#add({ kind: "behind", inner: inner(this.#add({ kind: "stop", next: 0 })), wanted, next });
  }

  #characterClass(): (character: string) => boolean {
    const negated = this.#skip("^");
    const tests: ((character: string) => boolean)[] = [];
    for (let isFirst = true; ; isFirst = false) {
      if (this.#at >= this.#pattern.length) this.#malformed("a class of characters is not closed");
      // as in Python: a bracket that comes first stands for itself
      if (!isFirst && this.#skip("]")) break;
      const [low, test] = this.#classMember();
      const isRange = this.#pattern[this.#at] === "-" && (this.#pattern[this.#at + 1] ?? "]") !== "]";
      if (!isRange) {
        tests.push(test);
        continue;
      }
      this.#at += 1;
      const [high] = this.#classMember();
      if (low === undefined || high === undefined || high < low) this.#malformed("a range makes no sense");
      tests.push((one) => low <= one && one <= high);
    }
    const isListed = this.#folded((one) => tests.some((test) => test(one)));
    return (one) => isListed(one) !== negated;
  }

  /** A character, where it is one, and the test for it. */
  #classMember(): [character: string | undefined, test: (character: string) => boolean] {
    const character = this.#pattern[this.#at++] ?? "";
    if (character !== "\\") return [character, (one) => one === character];
    const escaped = this.#pattern[this.#at] ?? "";
    const test = this.#escape();
    return [/\w/.test(escaped) ? undefined : escaped, test];
  }

  #escape(): (character: string) => boolean {
    const character = this.#pattern[this.#at++] ?? "";
    const known = classes[character];
    if (known !== undefined) return known;
    if (character === "") this.#malformed("nothing is escaped");
    if (/\d/.test(character)) this.#unsupported("refers back to a group");
    if (/\w/.test(character)) this.#unsupported(`has the escape \\${character}`);
    return (one) => one === character;
  }
}

const classes: Readonly<Record<string, ((character: string) => boolean) | undefined>> = {
  d: (one) => /\d/.test(one),
  D: (one) => !/\d/.test(one),
  w: (one) => /\w/.test(one),
  W: (one) => !/\w/.test(one),
  s: (one) => /\s/.test(one),
  S: (one) => !/\s/.test(one),
  n: (one) => one === "\n",
  t: (one) => one === "\t",
  r: (one) => one === "\r",
};
