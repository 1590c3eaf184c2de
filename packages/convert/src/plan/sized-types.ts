/** Types for the weights of a GGUF file of a given size, with the least predicted loss. */
import { elementCount, rowLength, UsageError } from "@requant/core";
import {
  allocateSizes,
  EMBEDDING_SENSITIVITY,
  HEAD_SENSITIVITY_PER_LAYER,
  type SizedChoice,
  sizeRange,
  streamSensitivities,
} from "@requant/core/solve";
import { tensorTypeByName } from "@requant/gguf";
import { encodedByteLength } from "../model/encodings.ts";

/** What the types that a weight can have do to it. */
export interface TypeCosts {
  /** By type: the squared error of the layer's output relative to the output, or of the weights where no inputs are known. */
  readonly errors: Readonly<Record<string, number>>;
  /** The mean square of the layer's output, summed over its rows; undefined where nothing is known of its inputs. */
  readonly output?: number | undefined;
}

/** A weight whose type is chosen. */
export interface SizedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** True where the importance matrix has an entry for it: types that need one are then candidates, too. */
  readonly hasImportance: boolean;
  readonly costs?: TypeCosts | undefined;
}

const SUPER_BLOCK_TYPES: readonly string[] = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0"];
/** Rows that are no whole super-blocks. */
const BLOCK_TYPES: readonly string[] = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"];
const IMPORTANCE_TYPES: readonly string[] = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"];

/** Relative squared errors of weights of a normal distribution: what is assumed where nothing was measured. */
const TYPICAL_ERRORS: Readonly<Record<string, number>> = {
  Q2_K: 0.072,
  Q3_K: 0.021,
  Q4_K: 0.005,
  Q5_K: 0.0013,
  Q6_K: 0.0003,
  Q8_0: 0.000029,
  Q4_0: 0.0068,
  Q4_1: 0.0049,
  Q5_0: 0.0017,
  Q5_1: 0.0012,
  IQ2_XXS: 0.12,
  IQ2_XS: 0.09,
  IQ2_S: 0.062,
  IQ3_XXS: 0.033,
  IQ3_S: 0.019,
  IQ4_XS: 0.0058,
};

/** The types that a weight can have; empty where its rows are no whole blocks of any. */
export function sizedTypes({ shape, hasImportance }: Pick<SizedWeight, "shape" | "hasImportance">): string[] {
  const fits = (type: string): boolean => rowLength(shape) % tensorTypeByName(type).blockSize === 0;
  const usual = fits("Q4_K") ? SUPER_BLOCK_TYPES : BLOCK_TYPES;
  return [...usual, ...(hasImportance ? IMPORTANCE_TYPES : [])].filter(fits);
}

/** What was chosen. */
export interface SizedTypes {
  readonly types: ReadonlyMap<string, string>;
  /** Of all weights together: the sum of their relative errors, each times how much it counts. */
  readonly cost: number;
  readonly byteLength: number;
}

/** The smallest and the largest sum of sizes. */
export function sizedRange(weights: readonly SizedWeight[]): { smallest: number; largest: number } {
  return sizeRange(choicesOf(weights).map(({ choices }) => choices));
}

/**
 * The types with the least sum of costs whose bytes are at most `byteLength` together. A type's cost is its relative squared
 * error times how much errors count where the weight stands (`streamSensitivities`); where nothing is known of the inputs,
 * errors of the layers count as much as the weights have numbers.
 * @throws UsageError where the smallest types are larger
 */
export function chooseSizedTypes(weights: readonly SizedWeight[], byteLength: number): SizedTypes {
  const things = choicesOf(weights);
  const { chosen, size, cost } = allocateSizes(
    things.map(({ choices }) => choices),
    byteLength,
  );
  const types = new Map<string, string>();
  chosen.forEach((choice, index) => {
    const type = things[index]?.types[choice];
    if (type === undefined) throw new UsageError("A choice has no type.");
    types.set(weights[index]?.name ?? "", type);
  });
  return { types, cost, byteLength: size };
}

function choicesOf(
  weights: readonly SizedWeight[],
): { readonly types: readonly string[]; readonly choices: readonly SizedChoice[] }[] {
  const factors = sensitivities(weights);
  return weights.map((weight, index) => {
    const types = sizedTypes(weight);
    const choices = types.map((type) => ({
      size: encodedByteLength(type, elementCount(weight.shape)),
      cost: (weight.costs?.errors[type] ?? TYPICAL_ERRORS[type] ?? 0) * factors[index]!,
    }));
    return { types, choices };
  });
}

const LAYER = /^blk\.(\d+)\.(.+)\.weight$/;
/** The matrices whose products are added to the residual stream. */
const WRITES = /^(?:attn_output|ffn_down)/;

function sensitivities(weights: readonly SizedWeight[]): number[] {
  const places = weights.map(({ name }) => {
    const [, number = "", part = ""] = LAYER.exec(name) ?? [];
    return part === "" ? undefined : { block: 2 * Number(number) + (part.startsWith("ffn_") ? 1 : 0), part };
  });
  const outputs = new Map<number, number | undefined>();
  places.forEach((place, index) => {
    if (place === undefined) return;
    const output = WRITES.test(place.part) ? weights[index]?.costs?.output : undefined;
    const known = outputs.get(place.block);
    outputs.set(place.block, output === undefined ? known : Math.max(known ?? 0, output));
  });
  const blocks = [...outputs].sort(([a], [b]) => a - b);
  const factors = streamSensitivities(blocks.map(([, output]) => output));
  const byBlock = new Map(blocks.map(([block], index) => [block, factors[index] ?? 1]));
  const head = HEAD_SENSITIVITY_PER_LAYER * new Set(blocks.map(([block]) => block >> 1)).size;
  const isTied = !weights.some(({ name }) => name === "output.weight");
  const mean = meanCount(weights.filter((_, index) => places[index] !== undefined));
  return weights.map(({ name, shape, costs }, index) => {
    const place = places[index];
    if (place !== undefined) {
      return costs?.output === undefined ? elementCount(shape) / mean : (byBlock.get(place.block) ?? 1);
    }
    if (name === "output.weight") return head;
    if (name === "token_embd.weight") return EMBEDDING_SENSITIVITY + (isTied ? head : 0);
    return 1;
  });
}

function meanCount(weights: readonly SizedWeight[]): number {
  const total = weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return total / Math.max(1, weights.length);
}
