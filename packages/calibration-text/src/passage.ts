/** What a passage consists of; a prefix of the text soon has all of them. */
export type PassageKind = "prose" | "verse" | "dialogue" | "code" | "mathematics" | "table" | "data" | "list";

/** A short, complete piece of the calibration text. */
export interface Passage {
  /** Unique in the collection, in words with hyphens. */
  readonly name: string;
  readonly kind: PassageKind;
  /** The English name of the natural or programming language. */
  readonly language: string;
  /** Author and work; `WRITTEN_HERE` for a text that was written for this package. */
  readonly source: string;
  readonly text: string;
}

/** The source of passages that are dedicated to the public domain with this package (CC0 1.0). */
export const WRITTEN_HERE = "written for this package";
