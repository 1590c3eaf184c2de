/** The bytes that base64 stands for. New engines decode it at once; a callback for each letter would cost more than compiling them. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const engine = Uint8Array as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
  if (engine.fromBase64 !== undefined) return engine.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
