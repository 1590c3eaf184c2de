/** The names of files that are not finished. They are the same each time, so that a later run finds them. */

/** Ends temporary names, so that left-overs are easy to see and are not listed as model files. */
export const temporarySuffix = ".requant-part";
const journalSuffix = ".requant-journal";
const lockSuffix = ".requant-lock";

/** Longest name, in bytes, that still has room for the dot and the suffix under the usual limit of 255. */
const LONGEST_NAME = 200;

/** A larger journal was not written by Requant: a line has some 60 bytes and stands for megabytes. */
export const LONGEST_JOURNAL: number = 256 * 1024 * 1024;

/** The names of the working files for a file, in the same folder. */
export interface WorkingNames {
  readonly temporary: string;
  readonly journal: string;
  readonly lock: string;
}

/** `hash`: hex digits that stand for the whole name where it is too long. */
export function workingNames(name: string, hash: string): WorkingNames {
  const fits = new TextEncoder().encode(name).byteLength <= LONGEST_NAME;
  const stem = `.${fits ? name : `${name.slice(0, 48)}.${hash}`}`;
  return {
    temporary: stem + temporarySuffix,
    journal: stem + journalSuffix,
    lock: stem + lockSuffix,
  };
}

export function isTemporaryName(name: string): boolean {
  return /^\..*\.requant-(part|journal|lock)(\.[0-9a-f]+)?$/s.test(name);
}
