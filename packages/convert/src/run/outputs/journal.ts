/**
 * What a run has finished, as text beside the unfinished file: a line that says what the run is, then a line for each
 * finished piece, in the order in which they were. Every line ends in its own checksum, so that an incomplete line is detected. A
 * line is a claim, not a proof: after a power failure the journal may have reached the disk and the bytes not, so every
 * claimed piece is read and its checksum compared before it is believed.
 */

import { UsageError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { addToGroup } from "../../model/add-to-group.ts";
import type { NonFiniteWeights } from "../../plan/non-finite.ts";
import type { MadePiece, PieceResult } from "../pieces.ts";
import { joinedLines, sealed, sealedLines } from "./sealed-lines.ts";

/** Identifies a run. Only the same run may continue it. */
export interface JournalHead {
  /** Hash of the plan and of everything else that decides the bytes. */
  readonly run: string;
  /** Versions of the source's files, by name; null where the source cannot tell. */
  readonly source: Readonly<Record<string, string | null>>;
}

export interface Journal {
  readonly head: JournalHead | undefined;
  /** By the index of the piece in its file. */
  readonly pieces: ReadonlyMap<number, PieceResult>;
  /** Of an upload: what the server answered to each part, by index. */
  readonly parts: ReadonlyMap<number, string>;
  /** Bytes of the lines that are whole. */
  readonly byteLength: number;
}

const MAGIC = "requant-journal-2";
const PART = "part";

export function headLine(head: JournalHead): Uint8Array {
  return sealed(`${MAGIC} ${JSON.stringify(head)}`);
}

export function pieceLine(index: number, result: PieceResult): Uint8Array {
  const { checksum: sum, noise, maxAbsError, signal, nonFinite, output } = result;
  const words = [
    ...(nonFinite === undefined && output === undefined
      ? []
      : [wordOf(nonFinite?.given), wordOf(nonFinite?.made)]),
    ...(output === undefined ? [] : [[output.error, output.rounding, output.signal].join(",")]),
  ];
  const weights = words.map((word) => ` ${word}`).join("");
  return sealed(`${index} ${sum} ${noise} ${maxAbsError} ${signal}${weights}`);
}

/** The lines of some pieces, by the index of their file. */
export function pieceLines(made: readonly MadePiece[]): ReadonlyMap<number, Uint8Array> {
  const lines = new Map<number, Uint8Array[]>();
  for (const { piece, result } of made) addToGroup(lines, piece.file, pieceLine(piece.index, result));
  return new Map([...lines].map(([file, own]) => [file, joinedLines(own)]));
}

/** A part of an upload that the server has taken. */
export function partLine(index: number, answer: string): Uint8Array {
  return sealed(`${PART} ${index} ${answer}`);
}

/** Weights that are not finite, as one word: JSON has no NaN. */
function wordOf(weights: NonFiniteWeights | undefined): string {
  if (weights === undefined) return "-";
  const { count, index, value, stored, largest, largestIndex } = weights;
  return [count, index, value, stored, largest, largestIndex].join(",");
}

function weightsOf(word: string | undefined): NonFiniteWeights | undefined {
  if (word === undefined || word === "-") return undefined;
  const [count = 0, index = 0, value = 0, stored = 0, largest = 0, largestIndex = 0] = word
    .split(",")
    .map(Number);
  return { count, index, value, stored, largest, largestIndex };
}

function nonFiniteOf(
  givenWord: string | undefined,
  madeWord: string | undefined,
): Pick<PieceResult, "nonFinite"> {
  const given = weightsOf(givenWord);
  const made = weightsOf(madeWord);
  return given === undefined && made === undefined ? {} : { nonFinite: { given, made } };
}

function outputOf(word: string | undefined): Pick<PieceResult, "output"> {
  if (word === undefined) return {};
  const [error = 0, rounding = 0, signal = 0] = word.split(",").map(Number);
  return { output: { error, rounding, signal } };
}

/** Reads all lines up to the first incomplete one. */
export function parseJournal(bytes: Uint8Array): Journal {
  const pieces = new Map<number, PieceResult>();
  const parts = new Map<number, string>();
  let head: JournalHead | undefined;
  let byteLength = 0;
  for (const { text, end } of sealedLines(bytes)) {
    if (head === undefined) {
      head = parseHead(text);
      if (head === undefined) break;
    } else if (text.startsWith(`${PART} `)) {
      const [, index, answer = ""] = text.split(" ");
      parts.set(Number(index), answer);
    } else {
      const [index, sum, noise, maxAbsError, signal, given, made, output] = text.split(" ");
      if (sum === undefined || signal === undefined) break;
      pieces.set(Number(index), {
        checksum: sum,
        noise: Number(noise),
        maxAbsError: Number(maxAbsError),
        signal: Number(signal),
        ...nonFiniteOf(given, made),
        ...outputOf(output),
      });
    }
    byteLength = end;
  }
  return { head, pieces, parts, byteLength };
}

function parseHead(text: string): JournalHead | undefined {
  if (!text.startsWith(`${MAGIC} `)) return undefined;
  try {
    const { run, source } = JSON.parse(text.slice(MAGIC.length + 1)) as Partial<
      Record<keyof JournalHead, unknown>
    >;
    if (typeof run !== "string" || typeof source !== "object" || source === null) return undefined;
    return { run, source: source as JournalHead["source"] };
  } catch {
    return undefined;
  }
}

/** @throws UsageError when the interrupted run was another one, or its source has changed since */
export function refuseOtherRun(found: JournalHead, own: JournalHead, path: string): void {
  if (found.run !== own.run) {
    throw new UsageError(
      "The interrupted conversion was another one: its source, target or options differ.",
      {
        path,
        hint: "Give the same options as then, or start over without resuming.",
      },
    );
  }
  const changed = Object.keys(own.source).find((name) => found.source[name] !== own.source[name]);
  if (changed === undefined) return;
  throw new UsageError(`The source has changed since the conversion was interrupted: ${quoted(changed)}.`, {
    path,
    hint: "Start over without resuming.",
  });
}
