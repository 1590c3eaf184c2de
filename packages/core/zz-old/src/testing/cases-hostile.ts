import type { LinearPart } from "../format/linear-codec.ts";
import { partByteLength } from "../format/linear-codec.ts";
import {
  type Attempt,
  attempt,
  CALLER_FAULTS,
  check,
  checkBits,
  checkRefused,
  FILE_FAULTS,
} from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { type FormatVector, findWeight, type StoredWeight } from "./format-vector.ts";
import { plainLayoutOf } from "./plain-layout.ts";
import { rowsOf } from "./weight-values.ts";

/** Damaged files, and files that were made to attack a reader. */
export function hostileCases({ format, vectors }: Subject): ConformanceCase[] {
  return vectors.flatMap((vector) => [
    { name: `cut parts are refused: ${vector.name}`, run: () => cutParts({ format }, vector) },
    { name: `hostile shapes are refused: ${vector.name}`, run: () => hostileShapes({ format }, vector) },
    ...(vector.config === undefined
      ? []
      : [
          {
            name: `hostile configurations end in a refusal or a weight: ${vector.name}`,
            run: () => hostileConfigs({ format }, vector),
          },
        ]),
  ]);
}

type Format = Pick<Subject, "format">;

/** All values of a stored weight, through every step of reading. */
async function valuesOf({ format }: Format, stored: StoredWeight): Promise<Float32Array> {
  const found = await findWeight(format, stored);
  found.examine(stored.bytes);
  return rowsOf(found.open(stored.bytes));
}

async function cutParts(subject: Format, vector: FormatVector): Promise<void> {
  const { bytes, parts } = vector;
  const whole = await valuesOf(subject, vector);
  for (const { suffix } of parts) {
    const part = bytes[suffix] ?? new Uint8Array(0);
    const without = Object.fromEntries(Object.entries(bytes).filter(([name]) => name !== suffix));
    for (const length of prefixesOf(part.length)) {
      const cut = { ...vector, bytes: { ...without, [suffix]: part.slice(0, length) } };
      await checkRefused(
        () => valuesOf(subject, cut),
        FILE_FAULTS,
        `${length} of ${part.length} bytes of ${suffix}`,
      );
    }
    const longer = new Uint8Array(part.length + 4);
    longer.set(part);
    const grown = { ...vector, bytes: { ...without, [suffix]: longer } };
    await checkRefused(() => valuesOf(subject, grown), FILE_FAULTS, `four bytes more in ${suffix}`);
    // a part that only repeats what the others say may be absent
    const absent = {
      ...vector,
      bytes: without,
      parts: parts.filter((other) => other.suffix !== suffix),
    };
    await checkSameOrRefused(subject, absent, whole, `no ${suffix}`);
  }
}

/** Lengths of prefixes that are tried, about forty a part. */
function prefixesOf(byteLength: number): readonly number[] {
  const step = Math.max(1, Math.floor(byteLength / 32));
  const lengths = [0, 1, 2, 3, 4, byteLength - 4, byteLength - 2, byteLength - 1];
  for (let length = step; length < byteLength; length += step) lengths.push(length);
  return [...new Set(lengths)].filter((length) => length >= 0 && length < byteLength);
}

const HOSTILE_SIZES: readonly number[] = [0, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, Number.NaN, Infinity];
const FACTOR = 2 ** 20;

async function hostileShapes(subject: Format, vector: FormatVector): Promise<void> {
  const whole = await valuesOf(subject, vector);
  for (const [what, parts] of hostileParts(vector.parts)) {
    await checkSameOrRefused(subject, { ...vector, parts }, whole, what);
  }
}

function hostileParts(parts: readonly LinearPart[]): [what: string, parts: LinearPart[]][] {
  const changed = (suffix: string, change: Partial<LinearPart>): LinearPart[] =>
    parts.map((part) => (part.suffix === suffix ? { ...part, ...change } : part));
  const single = parts.flatMap(({ suffix, shape }): [string, LinearPart[]][] => [
    ...shape.flatMap((_, axis) =>
      HOSTILE_SIZES.map((size): [string, LinearPart[]] => {
        const hostile = shape.map((own, index) => (index === axis ? size : own));
        return [`${suffix} [${hostile.join(", ")}]`, changed(suffix, { shape: hostile })];
      }),
    ),
    [`${suffix} without a shape`, changed(suffix, { shape: [] })],
    [`${suffix} in no known encoding`, changed(suffix, { encoding: "X7" })],
    [`${suffix} as F64`, changed(suffix, { encoding: "F64" })],
  ]);
  // shapes that agree with each other but not with the bytes
  const sizes = new Set(parts.flatMap(({ shape }) => shape));
  const together = [...sizes].map((size): [string, LinearPart[]] => [
    `every ${size} as ${size * FACTOR}`,
    parts.map((part) => ({ ...part, shape: part.shape.map((own) => (own === size ? own * FACTOR : own)) })),
  ]);
  const all = parts.map((part) => ({ ...part, shape: part.shape.map((own) => own * FACTOR) }));
  return [...single, ...together, ["all sizes huge", all]];
}

/** Damage that a format does not report must not change any value. */
async function checkSameOrRefused(
  subject: Format,
  stored: StoredWeight,
  whole: Float32Array,
  what: string,
): Promise<void> {
  const { value } = await attemptValues(subject, stored, what);
  if (value !== undefined) checkBits(value, whole, `${what} is accepted, and read as other values`);
}

function attemptValues(subject: Format, stored: StoredWeight, what: string): Promise<Attempt<Float32Array>> {
  return attempt(() => valuesOf(subject, stored), FILE_FAULTS, what);
}

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  0.5,
  1,
  2 ** 31,
  2 ** 53,
  1e300,
  true,
  "",
  "x",
  [],
  [1e300],
  {},
  { a: { b: null } },
];

async function hostileConfigs(subject: Format, vector: FormatVector): Promise<void> {
  for (const [what, config] of hostileCopies(vector.config)) {
    const { value } = await attemptValues(subject, { ...vector, config }, what);
    if (value === undefined) continue;
    // the tensors say the shape, and a configuration cannot change that
    const { rows, columns } = vector.expected;
    check(value.length === rows * columns, `${what}: ${value.length} values instead of ${rows * columns}.`);
  }
}

/** Copies of a JSON value with one value in it replaced, and its description. */
function hostileCopies(json: unknown): [what: string, copy: unknown][] {
  const here = HOSTILE_VALUES.map((value): [string, unknown] => [`is ${JSON.stringify(value)}`, value]);
  if (typeof json !== "object" || json === null) return here;
  const inside = Object.entries(json).flatMap(([key, value]) =>
    hostileCopies(value).map(([what, copy]): [string, unknown] => [
      `${key} ${what}`,
      Array.isArray(json)
        ? json.map((own: unknown, index) => (String(index) === key ? copy : own))
        : { ...json, [key]: copy },
    ]),
  );
  return [...here, ...inside];
}

/** Layouts of plans that were edited by hand. */
export function hostileLayoutCases({ format, vectors }: Subject): ConformanceCase[] {
  const { target } = format;
  if (target === undefined) return [];
  return vectors.map((vector) => ({
    name: `hostile layouts are refused: ${vector.name}`,
    async run() {
      const layout = plainLayoutOf((await findWeight(format, vector)).examine(vector.bytes).layout);
      for (const [what, hostile] of hostileLayouts(layout)) {
        const { value } = await attempt(() => target.encoder(hostile).parts, CALLER_FAULTS, what);
        if (value === undefined) continue;
        const isSize = what.startsWith("rows ") || what.startsWith("columns ");
        check(!isSize, `A layout with ${what} is accepted.`);
        for (const part of value) checkStorable(part, what);
      }
    },
  }));
}

function hostileLayouts(layout: ReturnType<typeof plainLayoutOf>) {
  return Object.entries(layout).flatMap(([key, own]): [string, ReturnType<typeof plainLayoutOf>][] => {
    const { [key]: _, ...without } = layout;
    const values: readonly (number | string | boolean)[] =
      typeof own === "number" ? [0, -2, 0.5, 2 ** 53, Number.NaN, Infinity, "4"] : ["no such word", 7];
    return [
      [`${key} left out`, without],
      ...values.map((value): [string, typeof layout] => [`${key} ${value}`, { ...layout, [key]: value }]),
    ];
  });
}

/** A file must be able to hold the parts of every layout that an encoder accepts. */
function checkStorable(part: LinearPart, what: string): void {
  const isStorable = part.shape.every((size) => Number.isSafeInteger(size) && size > 0);
  check(isStorable, `A layout with ${what} is accepted, with ${part.suffix} [${part.shape.join(", ")}].`);
  check(Number.isFinite(partByteLength(part)), `A layout with ${what} has ${part.suffix} of endless bytes.`);
}
