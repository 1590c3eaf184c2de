/** Entries of importance matrices and calibration statistics, as a plan names them. */

/** A weight of a GGUF, or one matrix of it. */
export interface GgufPlace {
  readonly name: string;
  /** Of a stack. Absent: the whole weight. */
  readonly matrix?: number | undefined;
}

/** "blk.0.ffn_up_exps.weight[3]" is the fourth matrix of a stack. */
export function entryText(name: string, matrix?: number): string {
  return matrix === undefined ? name : `${name}[${matrix}]`;
}

/** The entry that `entryText` names. */
export function parseEntry(text: string): GgufPlace {
  const [, name, matrix] = /^([^[\]]+)\[(\d{1,9})\]$/.exec(text) ?? [];
  return name === undefined ? { name: text } : { name, matrix: Number(matrix) };
}
