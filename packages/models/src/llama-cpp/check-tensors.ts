/** Tensors against the table of needs: missing, of another shape, or not looked for. */
import type { Finding } from "@requant/core";
import type { FamilyNeeds, TensorNeed } from "./rules.ts";
import { type Sizes, sizeOf } from "./sizes.ts";

/** @inline */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
  /** "Q4_K"; where it is not given, it is not looked at. */
  readonly encoding?: string;
}

/** A tensor that llama.cpp looks for, and the shape that the metadata give it; undefined where a key is missing. */
interface Expected {
  readonly name: string;
  readonly shape: readonly number[] | undefined;
  /** Which side has a row for each token; −1 where none has. */
  readonly vocabularySide: number;
  readonly optional: boolean;
  /** True where other keys say whether it is looked for. */
  readonly conditional: boolean;
}

/** More layers than any model has are one fault, found elsewhere. */
const MOST_LAYERS = 512;

function expectedTensors(family: FamilyNeeds, sizes: Sizes): readonly Expected[] {
  const expected: Expected[] = [];
  const add = (needs: readonly TensorNeed[], prefix: string, layer: number): void => {
    for (const { name, shape, optional, when, unless } of needs) {
      if (when !== undefined && !when(sizes, layer)) continue;
      if (unless !== undefined && sizes.hasTensor(prefix + unless)) continue;
      // what is not known becomes NaN
      const known = shape.map((size) => sizeOf(size, sizes, layer) ?? Number.NaN);
      expected.push({
        name: prefix + name,
        vocabularySide: shape.indexOf("vocab"),
        optional,
        conditional: when !== undefined,
        shape: known.some(Number.isNaN) ? undefined : known,
      });
    }
  };
  add(family.ends, "", 0);
  for (let layer = 0; layer < Math.min(sizes.trunk, MOST_LAYERS); layer++)
    add(family.layer, `blk.${layer}.`, layer);
  const layers = Math.min(sizes.number("block_count") ?? 0, MOST_LAYERS);
  for (let layer = sizes.trunk; layer < layers; layer++) add(family.predicting ?? [], `blk.${layer}.`, layer);
  return expected;
}

/** Added to, multiplied or convolved with activations, which llama.cpp's processor code does with F32 alone. */
const ELEMENTWISE =
  /(?:norm(?:_[12])?\.weight|\.bias|^rope_\w+\.weight|attn_sinks\.weight|conv(?:1d)?\.weight|ssm_a|scale\.weight|inp\.scale)$/;

/** Types that ggml stores and does not multiply with. */
const NO_WEIGHTS: ReadonlySet<string> = new Set(["F64", "I8", "I16", "I32", "I64"]);

/** Scales of a weight, for formats that keep them apart (NVFP4): looked for beside every weight. */
const SCALE = /\.(?:scale|input_scale)$/;
/** Layers that predict further tokens come after the others, with tensors that are passed over. */
const LAYER = /^blk\.(\d+)\./;

/** @param isSound false where keys are missing or wrong: which tensors belong to the model is not certain then */
export function tensorFindings(
  family: FamilyNeeds,
  sizes: Sizes,
  tensors: readonly NamedShape[],
  isSound: boolean,
): Finding[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const expected = expectedTensors(family, sizes);
  const names = new Set(expected.map(({ name }) => name));
  const lacking = expected.filter(
    ({ name, optional, conditional }) => !optional && !byName.has(name) && (isSound || !conditional),
  );
  const misfits = expected.filter(({ name, shape }) => {
    const found = byName.get(name);
    return found !== undefined && shape !== undefined && !sameShape(found.shape, shape);
  });
  // a vocabulary of another size misfits every tensor with a row for each token: one fault
  const [resized, misshapen] = partition(misfits, (one) => hasOtherVocabulary(one, byName.get(one.name)));
  const [embedding] = resized;
  const extra = tensors.filter(
    ({ name }) => isSound && !names.has(name) && !(SCALE.test(name) && hasWeight(byName, name)),
  );
  return [
    ...missingFindings(lacking, tensors, sizes),
    ...(embedding === undefined
      ? []
      : [
          {
            code: "vocabulary-size",
            severity: "error",
            tensor: embedding.name,
            message: `The vocabulary has ${embedding.shape?.[embedding.vocabularySide]} tokens, the tensor ${byName.get(embedding.name)?.shape[embedding.vocabularySide]} rows; llama.cpp needs as many.`,
          } as const,
        ]),
    ...grouped(misshapen).map(([first, more]): Finding => {
      const found = byName.get(first.name)?.shape ?? [];
      return {
        code: "wrong-shape",
        severity: "error",
        tensor: first.name,
        message: `The tensor is [${found.join(", ")}]; by the model's configuration it must be [${(first.shape ?? []).join(", ")}]${andMore(more)}.`,
      };
    }),
    ...grouped(
      tensors.filter(
        ({ name, encoding }) =>
          encoding !== undefined &&
          encoding !== "F32" &&
          ELEMENTWISE.test(name) &&
          // blocks that predict further tokens are loaded, not computed
          !isBeyondTrunk(name, sizes),
      ),
    ).map(
      ([first, more]): Finding => ({
        code: "tensor-type",
        severity: "error",
        tensor: first.name,
        message: `The tensor is ${first.encoding}; llama.cpp needs F32 for norms and biases, and ends on another type${andMore(more)}.`,
      }),
    ),
    ...grouped(tensors.filter(({ encoding }) => encoding !== undefined && NO_WEIGHTS.has(encoding))).map(
      ([first, more]): Finding => ({
        code: "tensor-type",
        severity: "error",
        tensor: first.name,
        message: `The tensor is ${first.encoding}, which llama.cpp has no arithmetic for in a model: it ends the process${andMore(more)}.`,
      }),
    ),
    ...grouped(extra).map(
      ([first, more]): Finding => ({
        code: "unexpected-tensor",
        severity: "error",
        tensor: first.name,
        message: `The program llama.cpp does not look for the tensor in a model of the architecture ${sizes.architecture}${layersOf(first.name, sizes)}, and refuses a file with tensors left over${andMore(more)}.`,
      }),
    ),
  ];
}

function partition<T>(list: readonly T[], test: (one: T) => boolean): readonly [yes: T[], no: T[]] {
  return [list.filter(test), list.filter((one) => !test(one))];
}

function hasOtherVocabulary({ shape, vocabularySide }: Expected, found: NamedShape | undefined): boolean {
  if (shape === undefined || found?.shape.length !== shape.length) return false;
  return shape.every((size, side) => (size === found.shape[side]) !== (side === vocabularySide));
}

function hasWeight(byName: ReadonlyMap<string, NamedShape>, scale: string): boolean {
  return byName.has(scale.replace(SCALE, ".weight"));
}

function isBeyondTrunk(name: string, sizes: Sizes): boolean {
  const layer = Number(LAYER.exec(name)?.[1] ?? -1);
  return layer >= sizes.trunk && layer < (sizes.number("block_count") ?? 0);
}

function layersOf(name: string, sizes: Sizes): string {
  const layer = Number(LAYER.exec(name)?.[1] ?? -1);
  return layer >= sizes.trunk ? ` with ${sizes.trunk} layers` : "";
}

/** A file's trailing ones say nothing: llama.cpp counts four dimensions, the missing ones as 1. */
function sameShape(found: readonly number[], expected: readonly number[]): boolean {
  const whole = [...found];
  while (whole.length > expected.length && whole[0] === 1) whole.shift();
  const missing = expected.length - whole.length;
  return missing >= 0 && expected.every((size, i) => size === (i < missing ? 1 : whole[i - missing]));
}

/** Layers that are missing as a whole are one fault. */
function missingFindings(
  lacking: readonly Expected[],
  tensors: readonly NamedShape[],
  sizes: Sizes,
): Finding[] {
  const there = new Set(tensors.map(({ name }) => LAYER.exec(name)?.[1]));
  const ofMissingLayer = ({ name }: Expected): boolean => {
    const [, layer] = LAYER.exec(name) ?? [];
    return layer !== undefined && !there.has(layer);
  };
  const [first] = lacking.filter(ofMissingLayer);
  const [, layer = ""] = first === undefined ? [] : (LAYER.exec(first.name) ?? []);
  return [
    ...(first === undefined
      ? []
      : [
          {
            code: "missing-layer",
            severity: "error",
            tensor: `blk.${layer}`,
            message: `${sizes.trunk} layers are stated, but layer ${layer} has no tensors.`,
          } as const,
        ]),
    ...grouped(lacking.filter((one) => !ofMissingLayer(one))).map(
      ([one, more]): Finding => ({
        code: "missing-tensor",
        severity: "error",
        tensor: one.name,
        message: `There is no such tensor, and models of the architecture ${sizes.architecture} need it${andMore(more)}.`,
      }),
    ),
  ];
}

/** The same tensor of several layers is one fault. */
function grouped<T extends { readonly name: string }>(list: readonly T[]): readonly (readonly [T, number])[] {
  const groups = new Map<string, [T, number]>();
  for (const one of list) {
    const kind = one.name.replace(LAYER, "blk.*.");
    const known = groups.get(kind);
    if (known === undefined) groups.set(kind, [one, 0]);
    else known[1] += 1;
  }
  return [...groups.values()];
}

function andMore(count: number): string {
  return count === 0 ? "" : ` (the same in ${count} more ${count === 1 ? "layer" : "layers"})`;
}
