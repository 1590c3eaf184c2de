/**
 * Transforms of `transform_config` (compressed-tensors, transform/transform_args.py and transform/factory/hadamard.py).
 * At "weight_input" and "weight_output" they are part of the stored weight. At "input" a runtime multiplies the activations
 * with a Hadamard matrix, which is the same as another weight: W × blockdiag(H ÷ √n). At "q_attn" and "k_cache" queries and
 * keys are rotated alike, which changes no weight.
 */
import { matchesAny, targetsModule } from "./module-names.ts";

type Json = Readonly<Record<string, unknown>>;

/** A Hadamard transform of the activations that go into a module. */
export interface InputTransform {
  /** The name of its group in the configuration. */
  readonly name: string;
  /** Columns that are mixed: blocks of so many; undefined: all of a row. */
  readonly size: number | undefined;
  readonly targets: readonly string[];
  readonly ignore: readonly string[];
}

/** One `apply` of a group. */
interface Application {
  readonly name: string;
  readonly group: Json;
  readonly location: string;
  readonly apply: Json;
}

/** Locations whose transforms are in the stored weights already, and locations that change no weight. */
const WITHOUT_EFFECT: readonly string[] = ["weight_input", "weight_output", "q_attn", "k_cache"];
/** Locations of the attention, whose rotations of queries and keys cancel out. */
const OF_ATTENTION: readonly string[] = ["q_attn", "k_cache"];

function objectOf(value: unknown): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length === 0 ? undefined : (value as Json);
}

function wordsIn(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((one): one is string => typeof one === "string");
}

function applications(settings: Json): Application[] {
  const groups = objectOf(objectOf(settings["transform_config"])?.["config_groups"]) ?? {};
  return Object.entries(groups).flatMap(([name, value]): Application[] => {
    const group = objectOf(value) ?? {};
    const { apply } = group;
    if (!Array.isArray(apply)) return [{ name, group, location: "unknown", apply: {} }];
    return apply.map((one: unknown) => {
      const own = objectOf(one) ?? {};
      return { name, group, location: String(own["location"]), apply: own };
    });
  });
}

/** True for a transform of inputs whose Hadamard matrix its size alone tells. */
function isFoldable({ location, group, apply }: Application): boolean {
  const { type, randomize, requires_grad, head_dim } = group;
  const size = head_dim ?? undefined;
  const isSize = size === undefined || (typeof size === "number" && isPowerOfTwo(size));
  const isFixed = type === "hadamard" && randomize !== true && requires_grad !== true;
  return location === "input" && isFixed && isSize && wordsIn(apply["targets"]).length > 0;
}

/** True where Sylvester's construction gives a Hadamard matrix of this size. */
export function isPowerOfTwo(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size <= 2 ** 20 && (size & (size - 1)) === 0;
}

/**
 * The first transform that is neither in the weights nor can be brought into them; undefined where there is none. Only a
 * reader of this format brings transforms into weights (`isOwn`).
 */
export function unfoldableTransform(settings: Json, isOwn: boolean): string | undefined {
  const transforms = objectOf(settings["transform_config"]);
  if (transforms === undefined) return undefined;
  const all = applications(settings);
  if (all.length === 0) {
    const groups = transforms["config_groups"];
    return typeof groups === "object" && groups !== null ? undefined : "transform_config";
  }
  const online = all.find((one) => !WITHOUT_EFFECT.includes(one.location) && !(isOwn && isFoldable(one)));
  return online === undefined ? undefined : `transform_config "${online.name}" at "${online.location}"`;
}

/** Transforms at "input", in the order of the configuration. */
export function inputTransforms(settings: Json | undefined): InputTransform[] {
  if (settings === undefined) return [];
  return applications(settings)
    .filter(isFoldable)
    .map(({ name, group, apply }) => {
      const size = group["head_dim"];
      return {
        name,
        size: typeof size === "number" ? size : undefined,
        targets: wordsIn(apply["targets"]),
        ignore: wordsIn(apply["ignore"]),
      };
    });
}

/** Groups whose rotations of queries and keys cancel out. */
export function attentionTransforms(settings: Json): string[] {
  const names = applications(settings).flatMap(({ name, location }) =>
    OF_ATTENTION.includes(location) ? [name] : [],
  );
  return [...new Set(names)];
}

/** Those of a module. */
export function transformsOf(all: readonly InputTransform[], module: string): InputTransform[] {
  return all.filter(({ targets, ignore }) => targetsModule(targets, module) && !matchesAny(ignore, module));
}

/**
 * Rows times blockdiag(H ÷ √size), in place: sums and differences in doubles, one rounding to f32. Sylvester's matrix is its
 * own transpose, so the inverse is the same.
 */
export function foldHadamard(values: Float32Array, size: number): void {
  const block = new Float64Array(size);
  const scale = 1 / Math.sqrt(size);
  for (let start = 0; start < values.length; start += size) {
    for (let i = 0; i < size; i++) block[i] = values[start + i]!;
    for (let half = 1; half < size; half *= 2) {
      for (let first = 0; first < size; first += 2 * half) {
        for (let i = first; i < first + half; i++) {
          const [a, b] = [block[i]!, block[i + half]!];
          block[i] = a + b;
          block[i + half] = a - b;
        }
      }
    }
    for (let i = 0; i < size; i++) values[start + i] = block[i]! * scale;
  }
}
