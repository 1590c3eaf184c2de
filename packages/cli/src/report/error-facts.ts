/** What a report says of an error: its kind and the places of the code, never its message, which quotes files and paths. */
import { isCodecError } from "@requant/core";
import { patternOf } from "./harmless.ts";

export interface ErrorFacts {
  readonly kind: string;
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  readonly tensor?: string | undefined;
  readonly offset?: number | undefined;
  readonly message?: string | undefined;
  /** Functions of this program, the innermost first, with file and line. */
  readonly frames: readonly string[];
}

const MOST_FRAMES = 20;
/** Messages of the language itself that name nothing but code; others may quote what a file holds. */
const OF_THE_LANGUAGE: readonly RegExp[] = [
  /^Cannot (?:read|set) properties of (?:undefined|null) \((?:reading|setting) '[A-Za-z]{1,30}'\)$/,
  /^[\w.$]{1,60} is not (?:a function|iterable|a constructor|defined)$/,
  /^Invalid (?:array|typed array) length(?:: \d{1,20})?$/,
  /^(?:Maximum call stack size exceeded|Array buffer allocation failed|offset is out of bounds)$/,
  /^Offset is outside the bounds of the DataView$/,
];

export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { kind: typeof error, frames: [] };
  const frames = framesOf(error.stack ?? "");
  if (isCodecError(error)) {
    const { code, reason, tensor, offset } = error;
    return { kind: error.name, code, reason, tensor: tensor && patternOf(tensor), offset, frames };
  }
  const code =
    "code" in error && /^[A-Z0-9_]{1,40}$/.test(String(error.code)) ? String(error.code) : undefined;
  const isPlain = OF_THE_LANGUAGE.some((form) => form.test(error.message));
  return {
    kind: /^[A-Za-z]{1,40}$/.test(error.name) ? error.name : "Error",
    code,
    ...(isPlain ? { message: error.message } : {}),
    frames,
  };
}

/** "readHeader (header.ts:12:3)": names of functions, and of files without their folders. */
function framesOf(stack: string): string[] {
  const lines = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return lines.slice(0, MOST_FRAMES).map((line) => {
    const [, place = ""] = /([\w.-]{1,80}\.(?:m?[jt]s):\d{1,7}:\d{1,7})\)?$/.exec(line) ?? [];
    const [, called = ""] = /^\s+at (?:async )?([\w.<>$]{1,80}) \(/.exec(line) ?? [];
    return [called, place && `(${place})`].filter((part) => part !== "").join(" ") || "(unknown)";
  });
}
