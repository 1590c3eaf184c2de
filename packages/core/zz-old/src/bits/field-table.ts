/** The arrangement of small bit fields in words, for packing and unpacking. */

/** Words that fields are packed in: 32, 16 or 8 bits each. */
export type Words = Uint32Array | Uint16Array | Uint8Array;

/**
 * Where the bits of 32 consecutive fields are. A field is one or more pieces: `width` bits of a word, from `shift` on,
 * become bits `left` and up of the field. One table describes packing and unpacking, whatever the arrangement.
 */
export interface FieldTable {
  /** Bits per field. */
  readonly bitWidth: number;
  /** Words that 32 fields take. */
  readonly wordsPerRun: number;
  readonly wordBitWidth: 32 | 16 | 8;
  readonly pieces: readonly FieldPiece[];
}

/** Where a run of words keeps a piece of a field. */
export interface FieldPiece {
  /** 0 to 31: which of the 32 fields. */
  readonly field: number;
  /** Which of the run's words. */
  readonly word: number;
  readonly shift: number;
  readonly width: number;
  readonly left: number;
}

/** Where a set of equally spaced streams lies among words, and where their fields go. */
export interface FieldStreams {
  /** Number of streams. */
  readonly streams: number;
  /** Fields in each. */
  readonly fields: number;
  /** Index of the first word of the first stream. */
  readonly wordStart: number;
  /** From a word to the next of the same stream. */
  readonly wordStep: number;
  /** From a stream to the next, in words. */
  readonly streamStep: number;
  /** Index of the first field in the array of fields; fields of one stream follow each other. */
  readonly fieldStart: number;
  /** From a stream to the next, in fields. */
  readonly fieldStep: number;
}
