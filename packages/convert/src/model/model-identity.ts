/** What tells models of the same shape apart and is cheap to read: names, sizes, and a few numbers of the last norm. */
import { type Metadata, rowLength } from "@requant/core";

/** A model in GGUF's names. */
export interface IdentifiedModel {
  readonly metadata: Metadata;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readRows(name: string, start: number, end: number, out: Float32Array): Promise<void>;
}

/** No format quantizes it, so a quantized copy of a model has the same numbers, but for the rounding to another float type. */
const LAST_NORM = "output_norm.weight";
const NUMBERS = 8;

const KEYS = {
  name: "model.name",
  architecture: "model.architecture",
  layers: "model.layers",
  vocabulary: "model.vocabulary",
  lastNorm: "model.last_norm",
} as const;

/** As a file of statistics states it, under keys of its metadata; what the model does not have is left out. */
export async function modelIdentity(model: IdentifiedModel): Promise<Readonly<Record<string, string>>> {
  const { metadata, shapes } = model;
  const text = (key: string): string | undefined => {
    const value = metadata.get(key);
    return value === undefined || value.type === "array" ? undefined : String(value.value);
  };
  const architecture = text("general.architecture");
  const found = {
    [KEYS.name]: text("general.name"),
    [KEYS.architecture]: architecture,
    [KEYS.layers]: text(`${architecture}.block_count`),
    [KEYS.vocabulary]: shapes.get("token_embd.weight")?.[0]?.toString(),
    [KEYS.lastNorm]: await lastNorm(model),
  };
  return Object.fromEntries(
    Object.entries(found).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

async function lastNorm({ shapes, readRows }: IdentifiedModel): Promise<string | undefined> {
  const shape = shapes.get(LAST_NORM);
  if (shape?.length !== 1) return undefined;
  const length = rowLength(shape);
  const values = new Float32Array(length);
  await readRows(LAST_NORM, 0, 1, values);
  return Array.from({ length: NUMBERS }, (_, i) => values[Math.floor((i * length) / NUMBERS)]).join(" ");
}

type Identity = Readonly<Record<string, string>>;

/** What is different in two models, in words; empty for copies of one, whatever they are called. */
export function identityDifferences(a: Identity, b: Identity): string[] {
  const differences = (
    [
      [KEYS.architecture, "architecture"],
      [KEYS.layers, "number of layers"],
      [KEYS.vocabulary, "size of the vocabulary"],
    ] as const
  ).flatMap(([key, what]) => {
    const [one, other] = [a[key], b[key]];
    return one === undefined || other === undefined || one === other
      ? []
      : [`its ${what} is ${one}, and here ${other}`];
  });
  const [one, other] = [a[KEYS.lastNorm], b[KEYS.lastNorm]];
  return one === undefined || other === undefined || areNear(one, other)
    ? differences
    : [...differences, "its last norm has other numbers"];
}

/** The name that was recorded. */
export function identityName(identity: Identity): string | undefined {
  return identity[KEYS.name];
}

/** Twice the rounding to BF16. */
const TOLERANCE = 2 ** -8;

function areNear(one: string, other: string): boolean {
  const [a, b] = [one.split(" ").map(Number), other.split(" ").map(Number)];
  return (
    a.length === b.length &&
    a.every((value, i) => {
      const own = b[i] ?? Number.NaN;
      return Math.abs(value - own) <= TOLERANCE * Math.max(Math.abs(value), Math.abs(own));
    })
  );
}
