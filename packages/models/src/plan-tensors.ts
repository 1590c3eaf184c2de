/** Runs a family's tensor rules over the names of a checkpoint, in either direction. */
import { ConversionError } from "@requant/core";
import type { Architecture, PlannedTensor, TensorContext, TensorRule } from "./architectures/architecture.ts";
import { staysF32 } from "./architectures/tensors.ts";
import type { Config } from "./config.ts";
import { alwaysLeftOut, encodersLeftOut, leftOutReason } from "./left-out.ts";
import { mlxRules } from "./mlx-rules.ts";
import { ropeTensors } from "./rope-factors.ts";
import { plannedSources, type WeightInput, type WeightPlan } from "./weight-plan.ts";

/** A tensor of a file, without its values. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor of the source that the output does not hold, and why. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

interface Match {
  readonly rule: TensorRule;
  readonly part: number;
  readonly layer: number | undefined;
  readonly expert: number | undefined;
  readonly suffix: string;
}

interface Matcher {
  readonly expression: RegExp;
  readonly rule: TensorRule;
  readonly part: number;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function expressionOf(pattern: string): RegExp {
  const [stem, tail] = pattern.endsWith(".*")
    ? [pattern.slice(0, -2), "(?<suffix>\\.weight|\\.bias)"]
    : [pattern, ""];
  const body = escaped(stem)
    .replace("\\{layer\\}", "(?<layer>\\d{1,6})")
    .replace("\\{expert\\}", "(?<expert>\\d{1,6})");
  return new RegExp(`^${body}${tail}$`);
}

function filled(
  pattern: string,
  layer: number | undefined,
  expert: number | undefined,
  suffix: string,
): string {
  const name = pattern.replace("{layer}", String(layer)).replace("{expert}", String(expert));
  return name.endsWith(".*") ? name.slice(0, -2) + suffix : name;
}

function matchersOf(rules: readonly TensorRule[], side: "hf" | "gguf", config: Config): readonly Matcher[] {
  return rules
    .filter((rule) => rule.when?.(config) ?? true)
    .flatMap((rule) =>
      rule[side].map((pattern, part) => ({ expression: expressionOf(pattern), rule, part })),
    );
}

function matchOf(name: string, matchers: readonly Matcher[]): Match | undefined {
  for (const { expression, rule, part } of matchers) {
    const groups = expression.exec(name);
    if (groups === null) continue;
    const number = (key: string): number | undefined => {
      const text = groups.groups?.[key];
      return text === undefined ? undefined : Number(text);
    };
    return {
      rule,
      part,
      layer: number("layer"),
      expert: number("expert"),
      suffix: groups.groups?.["suffix"] ?? "",
    };
  }
  return undefined;
}

/** What torch.compile, PEFT and DataParallel put before every name of the model that they wrap. */
const WRAPPER = /^(?:_orig_mod\.|base_model\.model\.|module\.)+/;

/**
 * Spellings to try for a name: the name itself, the name without the prefix of a wrapper or of a multimodal model, and the
 * name with the prefix that a bare base model lacks.
 */
function spellings(name: string): readonly string[] {
  const bare = bareName(name);
  return [name, bare, `model.${bare}`, `transformer.${bare}`];
}

function bareName(name: string): string {
  return name
    .replace(WRAPPER, "")
    .replace(/^thinker\./, "")
    .replace("language_model.", "")
    .replace("model.text_model.", "model.")
    .replace(/^model\.model\./, "model.");
}

interface Group {
  readonly rule: TensorRule;
  readonly patterns: readonly string[];
  /** Per pattern, one place per expert. */
  readonly names: (string | undefined)[][];
  layer: number | undefined;
  suffix: string;
  pending: number;
}

function newGroup(match: Match, side: "hf" | "gguf", places: (part: number) => number): Group {
  const { rule, layer, suffix } = match;
  const names = rule[side].map((_, part) => new Array<string | undefined>(places(part)).fill(undefined));
  const pending = names.reduce((total, list) => total + list.length, 0);
  return { rule, patterns: rule[side], names, layer, suffix, pending };
}

function completed(group: Group): string[][] {
  return group.names.map((list) => list.map((name) => name ?? ""));
}

function refuseIncomplete(groups: ReadonlyMap<string, Group>): void {
  for (const { patterns, names, layer, suffix, pending } of groups.values()) {
    if (pending === 0) continue;
    const missing = names.flatMap((list, part) =>
      list.flatMap((name, expert) =>
        name === undefined ? [filled(patterns[part] ?? "", layer, expert, suffix)] : [],
      ),
    );
    throw new ConversionError(`${missing.length} tensors are missing; the first is ${missing[0]}.`, {
      tensor: missing[0],
      hint: "Check that all shards are there.",
    });
  }
}

function contextOf(
  config: Config,
  { layer, suffix }: Match,
  shapes: ReadonlyMap<string, readonly number[]>,
): TensorContext {
  return {
    config,
    layer,
    suffix,
    shapes,
    shapeOf(name) {
      const shape = shapes.get(name);
      if (shape === undefined) throw new ConversionError(`The tensor ${name} is missing.`, { tensor: name });
      return shape;
    },
  };
}

/** Order in which llama.cpp's converter reads tensors: by file name, then by name, both by code point. */
function inReadingOrder<T extends NamedTensor & { readonly file?: string }>(tensors: readonly T[]): T[] {
  const byCodePoint = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...tensors].sort((a, b) => byCodePoint(a.file ?? "", b.file ?? "") || byCodePoint(a.name, b.name));
}

export interface TensorPlans {
  readonly tensors: readonly WeightPlan[];
  readonly leftOut: readonly LeftOut[];
}

/** A reference GGUF can say where a weight or a bias belongs; of scales and zero points it knows nothing. */
const WEIGHT_NAME = /\.(?:weight|bias)$/;
const notAWeight =
  "It is neither a weight nor a bias. Give the directory whose config.json says what it belongs to, or start from the model without quantization.";

/** What renames tensors: a family, or the way from one checkpoint to another. */
type Renaming = Pick<Architecture, "tensors" | "mlxTensors" | "names" | "leftOut" | "metadataTensors"> & {
  /** True for what holds vision and audio encoders, which a text model leaves out. */
  readonly includesEncoders?: boolean;
};

interface Renamed {
  readonly rule: TensorRule;
  readonly name: string;
  readonly plan: PlannedTensor;
}

interface CheckpointTensor extends NamedTensor {
  readonly file?: string;
  readonly encoding?: string;
}

/** Says where arithmetic has to be rounded to f16, as torch does it: where all weights of an input are F16. */
function inOwnType(
  inputs: readonly WeightInput[],
  isHalf: (tensor: string) => boolean,
): readonly WeightInput[] {
  return inputs.map((input): WeightInput => {
    if (!("tensor" in input || "join" in input)) return input;
    const inner = "join" in input ? { ...input, join: inOwnType(input.join, isHalf) } : input;
    if (inner.map === undefined || !plannedSources({ inputs: [inner] }).every(isHalf)) return inner;
    return { ...inner, halves: true };
  });
}

/** Runs rules over a checkpoint in the order in which llama.cpp's converter reads it. */
function runRules(
  renaming: Renaming,
  config: Config,
  hf: readonly CheckpointTensor[],
  place: { readonly name: string; readonly hint: string },
): { readonly renamed: readonly Renamed[]; readonly leftOut: readonly LeftOut[] } {
  const rules = [...renaming.tensors, ...mlxRules(renaming)];
  const matchers = matchersOf(renaming.tensors, "hf", config);
  const mlxMatchers = matchersOf(rules.slice(renaming.tensors.length), "hf", config);
  const shapes = new Map(hf.map(({ name, shape }) => [name, shape]));
  const halves = new Set(hf.flatMap(({ name, encoding }) => (encoding === "F16" ? [name] : [])));
  const isHalf = (name: string): boolean => halves.has(name);
  const renamed: Renamed[] = [];
  const leftOut: LeftOut[] = [];
  const groups = new Map<string, Group>();
  const names = new Set(shapes.keys());
  const leftOutRules = [
    ...(renaming.leftOut ?? []),
    ...(renaming.includesEncoders === true ? [] : encodersLeftOut),
    ...alwaysLeftOut,
  ];
  for (const { name } of inReadingOrder(hf)) {
    if (renaming.metadataTensors?.pattern.test(name) === true) continue;
    const reason = leftOutReason(name, leftOutRules, config, names);
    if (reason !== undefined) {
      leftOut.push({ name, reason });
      continue;
    }
    const known = renaming.names?.toRules(name, config) ?? name;
    let match: Match | undefined;
    for (const spelling of spellings(known)) {
      match ??= matchOf(spelling, matchers);
    }
    // mlx-lm writes whole names; with a prefix that is added here, names of other checkpoints would fit these rules
    match ??= matchOf(bareName(known), mlxMatchers);
    if (match === undefined) {
      throw new ConversionError(`The tensor ${name} has no place in ${place.name}.`, {
        tensor: name,
        hint: WEIGHT_NAME.test(name) ? place.hint : notAWeight,
      });
    }
    const { rule, part, layer, expert, suffix } = match;
    const key = `${rules.indexOf(rule)}/${layer}/${suffix}`;
    const group = groups.get(key) ?? newGroup(match, "hf", (index) => rule.expertCount?.(config, index) ?? 1);
    groups.set(key, group);
    const places = group.names[part];
    if (places === undefined || (expert ?? 0) >= places.length || places[expert ?? 0] !== undefined) {
      const why =
        places?.[expert ?? 0] === undefined
          ? `the model has only ${places?.length} of its kind`
          : "the model has it twice";
      throw new ConversionError(`The tensor ${name} does not fit: ${why}.`, { tensor: name });
    }
    places[expert ?? 0] = name;
    group.pending--;
    if (group.pending > 0) continue;
    const context = contextOf(config, match, shapes);
    for (const [index, plan] of rule.toGguf(completed(group), context).entries()) {
      renamed.push({
        rule,
        name: filled(rule.gguf[index] ?? "", layer, undefined, suffix),
        plan: { shape: plan.shape, inputs: inOwnType(plan.inputs, isHalf) },
      });
    }
  }
  refuseIncomplete(groups);
  return { renamed, leftOut };
}

/**
 * Plans the GGUF tensors of a checkpoint, in the order in which llama.cpp's converter writes them.
 * @throws ConversionError for a tensor that no rule knows, or a group that is incomplete.
 */
export function planGgufTensors(
  architecture: Renaming & Pick<Architecture, "name" | "extraTensors">,
  config: Config,
  hf: readonly CheckpointTensor[],
): TensorPlans {
  const extra = (architecture.extraTensors ?? []).flatMap(({ name, values: valuesOf }): WeightPlan[] => {
    const values = valuesOf(config);
    return values === undefined
      ? []
      : [{ name, shape: [values.length], inputs: [{ values: [...values] }], forceF32: true }];
  });
  const { renamed, leftOut } = runRules(architecture, config, hf, {
    name: `the GGUF architecture ${architecture.name}`,
    hint: "Give a GGUF of the same model as `like`.",
  });
  const tensors: WeightPlan[] = [...extra];
  const leading: WeightPlan[] = [];
  for (const { rule, name, plan } of renamed) {
    (rule.leading ? leading : tensors).push({
      name,
      shape: plan.shape,
      inputs: plan.inputs,
      ...(staysF32(name, plan.shape.length) && !rule.takesType ? { forceF32: true } : {}),
      ...(rule.keeps === undefined ? {} : { keeps: rule.keeps }),
    });
  }
  return { tensors: [...leading, ...tensors], leftOut };
}

/**
 * Plans the tensors of a checkpoint under another class's names.
 * @throws ConversionError for a tensor that no rule knows, or a group that is incomplete.
 */
export function planRenamed(
  rules: readonly TensorRule[],
  config: Config,
  hf: readonly CheckpointTensor[],
  className: string,
): TensorPlans {
  const { renamed, leftOut } = runRules({ tensors: rules }, config, hf, {
    name: `a ${className}`,
    hint: "Convert it without `llamafy`.",
  });
  const plans = renamed.map(({ name, plan: { shape, inputs } }): WeightPlan => ({ name, shape, inputs }));
  return { tensors: plans, leftOut };
}

/**
 * Plans the Hugging Face tensors of a GGUF, by name.
 * @throws ConversionError for a tensor that no rule knows, or a group that is incomplete.
 */
export function planHfTensors(
  architecture: Pick<Architecture, "tensors" | "names" | "classes">,
  config: Config,
  gguf: readonly NamedTensor[],
): TensorPlans {
  const matchers = matchersOf(
    architecture.tensors.filter(({ oneWay }) => !oneWay),
    "gguf",
    config,
  );
  const shapes = new Map(gguf.map(({ name, shape }) => [name, shape]));
  const tensors: WeightPlan[] = [];
  const leftOut: LeftOut[] = [];
  const groups = new Map<string, Group>();
  const named = (name: string): string => architecture.names?.fromRules(name, config) ?? name;
  for (const { name } of gguf) {
    if (ropeTensors.includes(name)) {
      leftOut.push({ name, reason: "rope factors: config.json says them as rope_scaling" });
      continue;
    }
    const match = matchOf(name, matchers);
    if (match === undefined) {
      throw new ConversionError(`The GGUF tensor ${name} has no place in a ${architecture.classes[0]}.`, {
        tensor: name,
        hint: "The file may hold a variant of the architecture that is not mapped yet.",
      });
    }
    const { rule, part, layer, suffix } = match;
    const key = `${architecture.tensors.indexOf(rule)}/${layer}/${suffix}`;
    const group = groups.get(key) ?? newGroup(match, "gguf", () => 1);
    groups.set(key, group);
    const names = group.names[part];
    if (names === undefined || names[0] !== undefined) {
      throw new ConversionError(`The GGUF has the tensor ${name} twice.`, { tensor: name });
    }
    names[0] = name;
    group.pending--;
    if (group.pending > 0) continue;
    const plans = rule.toHf(
      completed(group).map(([only]) => only ?? ""),
      contextOf(config, match, shapes),
    );
    for (const [index, list] of plans.entries()) {
      for (const [expert, plan] of list.entries()) {
        tensors.push({
          name: named(filled(rule.hf[index] ?? "", layer, expert, suffix)),
          shape: plan.shape,
          inputs: plan.inputs,
        });
      }
    }
  }
  refuseIncomplete(groups);
  tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { tensors, leftOut };
}
