/** The machine's limits: the speed of copying bytes and of storing bytes, in cache and far beyond. */
import { type Contender, type InterleaveOptions, interleave } from "./interleave.ts";
import type { Measurement } from "./results.ts";

/** `store(address, byteLength)`: a loop of 128-bit stores, four at a time, assembled here by the specification. */
function storeModule(pages: number): Uint8Array<ArrayBuffer> {
  // end = address + length; v = splat(address); do { four stores of v; address += 64 } while (address < end)
  const code = [
    ...[2, 1, 127, 1, 123],
    ...[32, 0, 32, 1, 106, 33, 2],
    ...[32, 0, 253, 17, 33, 3],
    ...[3, 64],
    ...[0, 16, 32, 48].flatMap((offset) => [32, 0, 32, 3, 253, 11, 4, offset]),
    ...[32, 0, 65, 192, 0, 106, 34, 0],
    ...[32, 2, 73, 13, 0],
    ...[11, 11],
  ];
  const section = (id: number, bytes: readonly number[]): number[] => [
    id,
    ...unsigned(bytes.length),
    ...bytes,
  ];
  const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];
  return Uint8Array.from([
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...section(1, [1, 96, 2, 127, 127, 0]),
    ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, ...unsigned(pages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("store"), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

/** A copy and a store loop over `byteLength` bytes. */
export function limitContenders(byteLength: number): Contender[] {
  const from = new Uint8Array(byteLength).fill(1);
  const to = new Uint8Array(byteLength);
  const contenders: Contender[] = [{ name: "copy", run: () => to.set(from) }];
  const pages = Math.ceil(byteLength / 65536);
  const bytes = storeModule(pages);
  if (WebAssembly.validate(bytes)) {
    const memory = new WebAssembly.Memory({ initial: pages });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    const store = exports["store"];
    if (typeof store === "function") contenders.push({ name: "store", run: () => void store(0, byteLength) });
  }
  return contenders;
}

export function measureLimits(options: InterleaveOptions): Measurement[] {
  return [
    ["in cache (128 KiB)", 128 * 1024],
    ["beyond cache (64 MiB)", 64 * 1024 * 1024],
  ].flatMap(([task, byteLength]) =>
    interleave("limits", String(task), Number(byteLength), limitContenders(Number(byteLength)), options),
  );
}
