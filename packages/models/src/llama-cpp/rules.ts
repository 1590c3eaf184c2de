/** What a table of llama.cpp's needs is made of: tensors with their shapes, and metadata keys with their types. */
import type { SizeName, Sizes } from "./sizes.ts";

/** A tensor that llama.cpp looks for. `name` is without the layer where it stands in a layer's list. */
export interface TensorNeed {
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly SizeName[];
  /** True where llama.cpp does without it; a shape that it does not expect is refused all the same. */
  readonly optional: boolean;
  /** False for a layer where it is not looked for: the tensor would be one too many. */
  readonly when?: (sizes: Sizes, layer: number) => boolean;
  /** The tensor of the same layer (or of none) that takes its place. */
  readonly unless?: string;
}

export function need(name: string, ...shape: SizeName[]): TensorNeed {
  return { name, shape, optional: false };
}

export function may(name: string, ...shape: SizeName[]): TensorNeed {
  return { name, shape, optional: true };
}

export type Condition = (sizes: Sizes, layer: number) => boolean;

/** The same tensors, looked for only where the condition holds. */
export function where(condition: Condition, needs: readonly TensorNeed[]): readonly TensorNeed[] {
  return needs.map((one) => {
    const { when } = one;
    return {
      ...one,
      when: (sizes, layer) => condition(sizes, layer) && (when === undefined || when(sizes, layer)),
    };
  });
}

/** The same tensors, looked for only where the named one is not there. */
export function unless(name: string, needs: readonly TensorNeed[]): readonly TensorNeed[] {
  return needs.map((one) => ({ ...one, unless: name }));
}

export type KeyType = "u16" | "u32" | "f32" | "bool" | "string";

/** A metadata key that llama.cpp reads. `~` stands for the architecture's name. */
export interface KeyNeed {
  readonly key: string;
  /** The one type of a single value that llama.cpp takes; undefined where it must be a list. */
  readonly type: KeyType | undefined;
  readonly required: boolean;
  /** False for a model of which the key is not read. */
  readonly when?: (sizes: Sizes) => boolean;
  /** A list instead: the types of its elements, and how long it must be (one for each layer where nothing is said). */
  readonly list?: ListNeed;
  /** What the value must be. */
  readonly must?: ValueNeed;
}

export interface ListNeed {
  readonly of: readonly string[];
  readonly length?: number | "any";
  /** What the numbers must be, in words, and whether they are. */
  readonly must?: { readonly be: string; readonly holds: (values: readonly number[]) => boolean };
}

export interface ValueNeed {
  /** In words: "at least 1". */
  readonly be: string;
  readonly holds: (value: number | string, sizes: Sizes) => boolean;
  /** True where llama.cpp loads the file all the same, and computes NaN: a warning, because nothing is refused. */
  readonly loads?: true;
}

type KeyExtras = Partial<Pick<KeyNeed, "list" | "must" | "when">>;

export function needKey(key: string, type: KeyType | undefined, extras: KeyExtras = {}): KeyNeed {
  return { key, type, required: true, ...extras };
}

export function mayKey(key: string, type: KeyType | undefined, extras: KeyExtras = {}): KeyNeed {
  return { key, type, required: false, ...extras };
}

/** A key whose value must go with others. */
export interface JointNeed {
  /** Without the architecture's name. */
  readonly key: string;
  /** What llama.cpp needs in place of the stated value: "4, a state for each time step"; undefined where it fits. */
  needed(sizes: Sizes): string | undefined;
}

/** A key whose value follows from others, where these ask for one: "the rank of the keys and their turned values". */
export function sameAs(key: string, because: string, value: (sizes: Sizes) => number | undefined): JointNeed {
  return {
    key,
    needed(sizes) {
      const expected = value(sizes);
      return expected === undefined || sizes.number(key) === expected ? undefined : `${expected}, ${because}`;
    },
  };
}

/** What llama.cpp needs of the models of one architecture, beyond what it needs of all. */
export interface FamilyNeeds {
  readonly keys: readonly KeyNeed[];
  /** Outside the layers. */
  readonly ends: readonly TensorNeed[];
  /** In every layer. */
  readonly layer: readonly TensorNeed[];
  /** In every layer that predicts a further token; without it such a layer's tensors are left over. */
  readonly predicting?: readonly TensorNeed[];
  /** What several keys must say together. */
  readonly joint?: readonly JointNeed[];
  /** True where whole heads are turned: the graph is not built for any other length. */
  readonly wholeRope?: true;
  /** True where `attention.key_length` and `attention.value_length` may differ. */
  readonly unequalHeads?: true;
}
