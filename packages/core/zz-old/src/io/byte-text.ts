/** One character (U+0000 to U+00FF) per byte. (A TextDecoder's "latin1" is windows-1252.) */
export function byteText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
