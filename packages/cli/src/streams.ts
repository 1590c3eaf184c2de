import type { Readable } from "node:stream";
import pc from "picocolors";
import type { TakenDefault } from "./config/taken-words.ts";
import { printableJson } from "./render/text.ts";

/** Results, as text or as the bytes of a model; `done` is called when they are on their way. */
export interface OutStream {
  /** Takes the next text or bytes. */
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Messages and progress. */
export interface ErrStream {
  /** Takes the next text. */
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** What a person types. */
export interface InStream extends Readable {
  readonly isTTY?: boolean | undefined;
}

/** Where a command writes: results to `out`, everything else to `err`; and where it may ask. Tests pass their own. */
export interface Streams {
  readonly input?: InStream | undefined;
  readonly out: OutStream;
  readonly err: ErrStream;
  /** Defaults that were taken from files: every JSON document of a command has them. */
  readonly defaults?: readonly TakenDefault[] | undefined;
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  /** False: no defaults are taken from files. */
  readonly config?: boolean;
  /** Whether the hub's download cache is filled; undefined: it is only read. False: it is left alone. */
  readonly cache?: boolean;
}

export type Colors = ReturnType<typeof pc.createColors>;

/** Colours only where a person looks: a terminal that knows them, and no NO_COLOR. */
export function colorsFor(
  stream: { isTTY?: boolean | undefined },
  environment: NodeJS.ProcessEnv = process.env,
): Colors {
  return pc.createColors(stream.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb");
}

/** JSON for scripts: bigints as strings, NaN and infinities as null, never a raw control character. */
export function writeJson(streams: Streams, document: object): void {
  const { defaults = [] } = streams;
  const whole = defaults.length === 0 ? document : { ...document, defaults };
  const text = JSON.stringify(whole, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  streams.out.write(`${printableJson(text)}\n`);
}
