/**
 * How byte-level BPE vocabularies spell bytes as characters: a printable byte as itself, the other bytes from U+0100 on,
 * in order (openai/gpt-2, encoder.py).
 */

function spellings(): readonly string[] {
  const isItself = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isItself(byte) ? byte : next++));
}

const characters = spellings();

/** The spelling of a byte string: one character (U+0000 to U+00FF) per byte. */
export function spellBytes(bytes: string): string {
  return Array.from(bytes, (byte) => characters[byte.charCodeAt(0) & 0xff] ?? "").join("");
}
