import { type Metadata, UnsupportedError } from "@requant/core";

/** A model as a forward pass reads it: GGUF names, GGUF metadata keys, rows in llama.cpp's order, whatever the file is. */
export interface DecoderSource {
  readonly metadata: Metadata;
  /** All tensors with their shapes, row-major. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Rows `start` to `end` of the tensor as f32, where all dimensions but the last make the rows. */
  readRows(name: string, start: number, end: number, out: Float32Array): Promise<void>;
}

/** Metadata of one architecture; `~` at the start of a key stands for its name. */
export interface Keys {
  readonly architecture: string;
  /** A number, or a list with the same number for each layer. */
  number(key: string): number | undefined;
  flag(key: string): boolean | undefined;
  text(key: string): string | undefined;
  /** A list of flags or numbers, one for each layer. */
  list(key: string): readonly (boolean | number)[] | undefined;
}

export function keysOf(metadata: Metadata): Keys {
  const name = metadata.get("general.architecture");
  const architecture = name?.type === "string" ? name.value : "";
  const get = (key: string) => metadata.get(key.replace(/^~/, architecture));
  const list = (key: string): readonly (boolean | number)[] | undefined => {
    const value = get(key);
    if (value?.type !== "array") return undefined;
    if (value.elementType === "string" || value.elementType === "array") return undefined;
    if (value.elementType === "bool") return value.value;
    return Array.from(value.value as ArrayLike<number | bigint>, Number);
  };
  return {
    architecture,
    list,
    number(key) {
      const value = get(key);
      if (value === undefined) return undefined;
      if (value.type !== "array") return value.type === "string" ? undefined : Number(value.value);
      const all = list(key);
      const first = all?.[0];
      if (first === undefined) return undefined;
      if (all?.every((one) => one === first) === true) return Number(first);
      throw new UnsupportedError(
        `${key.replace(/^~/, architecture)} differs from layer to layer, which the forward pass does not compute.`,
      );
    },
    flag(key) {
      const value = get(key);
      return value?.type === "bool" ? value.value : undefined;
    },
    text(key) {
      const value = get(key);
      return value?.type === "string" ? value.value : undefined;
    },
  };
}
