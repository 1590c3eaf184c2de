/** Lines of a journal. Every line ends in its own checksum, so that an incomplete one is detected. */
import { checksum } from "../checksum-twin.ts";

/** A line as it is stored. */
export function sealed(text: string): Uint8Array {
  return new TextEncoder().encode(`${text} ${sealOf(text)}\n`);
}

/** Several lines, one after the other. */
export function joinedLines(lines: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lines.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.byteLength;
  }
  return bytes;
}

function sealOf(text: string): string {
  return checksum(new TextEncoder().encode(text));
}

const NEWLINE = 10;

/** A line without its checksum, and where it ends. */
export interface SealedLine {
  readonly text: string;
  readonly end: number;
}

/** All lines up to the first that is incomplete or changed. */
export function* sealedLines(bytes: Uint8Array): Generator<SealedLine> {
  for (let start = 0; ; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) return;
    const line = new TextDecoder().decode(bytes.subarray(start, newline));
    const last = line.lastIndexOf(" ");
    const text = line.slice(0, last);
    if (last <= 0 || line.slice(last + 1) !== sealOf(text)) return;
    start = newline + 1;
    yield { text, end: start };
  }
}
