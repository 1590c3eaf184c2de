/** Which floats of a type a group has had. */

/** The largest number that the places hold. */
const LAST_GROUP = 2 ** 31 - 1;

/** By the bits of a float: the number of the group that had it last. */
export class SeenFloats {
  readonly groups: Int32Array;
  private group = 0;

  constructor(places: number) {
    this.groups = new Int32Array(places);
  }

  /** The number of the next group, which has had no floats so far. */
  next(): number {
    if (this.group === LAST_GROUP) {
      this.groups.fill(0);
      this.group = 0;
    }
    return ++this.group;
  }
}

const known = /* @__PURE__ */ new Map<number, SeenFloats>();

/**
 * One for all searches of a thread, by the bits that a float of the type has: a table of 2^16 or 2^19 places takes longer to
 * make than ordinary weights take to search. A group is gathered to its end before the next one begins.
 */
export function seenFloats(bits: number): SeenFloats {
  let seen = known.get(bits);
  if (seen === undefined) {
    // all floats of 32 bits are kept
    seen = new SeenFloats(bits === 32 ? 0 : 2 ** bits);
    known.set(bits, seen);
  }
  return seen;
}
