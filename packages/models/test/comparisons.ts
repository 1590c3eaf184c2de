/** Compares plans with the converter's output, and with the directory that they were made from. */
import {
  architectureOfConfig,
  type GgufModelPlan,
  ggufToHf,
  type HfFiles,
  type HfPlan,
  readHfFiles,
  resolveConfig,
  type WeightPlan,
} from "../src/index.ts";
import { asListed, type ManifestKey } from "./golden.ts";

/** The converter lists template names in the order of a Python set, which changes from run to run. */
export function orderless(entries: readonly ManifestKey[]): readonly ManifestKey[] {
  return entries.map((entry) =>
    entry.key === "tokenizer.chat_templates"
      ? { ...entry, sha256: "", value: [...(entry.value as string[])].sort() }
      : entry,
  );
}

export function listed(plan: GgufModelPlan): readonly ManifestKey[] {
  return orderless([...plan.metadata].map(([key, value]) => asListed(key, value)));
}

/** Tensors whose values the plan states, as a reader of the file would hand them over. */
function computedTensors(tensors: readonly WeightPlan[]): ReadonlyMap<string, readonly number[]> {
  return new Map(
    tensors.flatMap(({ name, inputs: [input] }) =>
      input !== undefined && "values" in input ? [[name, input.values] as const] : [],
    ),
  );
}

export function backTo(plan: GgufModelPlan, values?: ReadonlyMap<string, Float32Array>): HfPlan {
  return ggufToHf({ ...plan, smallTensors: values ?? computedTensors(plan.tensors) }, { dtype: "BF16" });
}

export function filesOf(plan: HfPlan): HfFiles {
  const tensors = plan.tensors.map(({ name, shape }) => ({ name, shape, encoding: "F32" }));
  return { ...readHfFiles("again", plan.files, tensors), values: computedTensors(plan.tensors) };
}

/** With keys sorted and numbers as the f32 that GGUF holds. */
function canonical(value: unknown): unknown {
  if (typeof value === "number") return Math.fround(value);
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}

/** Keys that are compared even where the family's class has no defaults. */
const shape = new Set([
  "hidden_size",
  "intermediate_size",
  "max_position_embeddings",
  "num_attention_heads",
  "num_hidden_layers",
  "num_key_value_heads",
  "rms_norm_eps",
  "rope_parameters",
  "tie_word_embeddings",
  "vocab_size",
]);

/** Keys with the same meaning as rope_parameters, which is compared. */
const elsewhere = new Set(["rope_scaling", "rope_theta", "partial_rotary_factor"]);
export const roles = ["bos", "eos", "pad"] as const;

/** Rope settings without those that the plan names as assumed. */
function withoutAssumed(rope: unknown, assumed: readonly string[]): string {
  const settings = typeof rope === "object" && rope !== null ? Object.entries(rope) : [];
  return JSON.stringify(
    canonical(Object.fromEntries(settings.filter(([key]) => !assumed.includes(`rope_scaling.${key}`)))),
  );
}

/** Config keys that matter and differ, other than those the plan names as assumed. */
export function configDifferences(files: HfFiles, plan: HfPlan): readonly string[] {
  const config = JSON.parse(String(plan.files.get("config.json")));
  const family = architectureOfConfig(config);
  const ours = resolveConfig(config, family).values;
  const theirs = resolveConfig(files.config, architectureOfConfig(files.config)).values;
  const assumed = plan.findings.flatMap(({ code, key }) => (code === "assumed" ? (key ?? []) : []));
  const ropes = [ours, theirs].map((values) => withoutAssumed(values.get("rope_parameters"), assumed));
  const differs = (key: string): boolean =>
    key === "rope_parameters"
      ? ropes[0] !== ropes[1]
      : JSON.stringify(canonical(ours.get(key))) !== JSON.stringify(canonical(theirs.get(key)));
  return [...theirs.keys()]
    .filter(
      (key) =>
        (Object.hasOwn(family.defaults, key) || shape.has(key)) &&
        !elsewhere.has(key) &&
        !assumed.includes(key),
    )
    .filter((key) => !roles.some((role) => key === `${role}_token_id`))
    .filter(differs)
    .map((key) => `${key}: ${JSON.stringify(ours.get(key))} was ${JSON.stringify(theirs.get(key))}`);
}

/** A GGUF holds one id a role: the tokenizer's before the config's, one of a list of ends. */
export function idDifferences(files: HfFiles, plan: HfPlan): readonly string[] {
  const ours = JSON.parse(String(plan.files.get("config.json")));
  return roles.filter((role) => {
    const theirs = files.config[`${role}_token_id`] ?? null;
    const named = files.tokenizerConfig?.[`${role}_token`];
    if (theirs === null || named !== undefined) return false;
    const own = ours[`${role}_token_id`];
    return Array.isArray(theirs) ? !theirs.includes(own) : own !== theirs;
  });
}

/** Numbers that one config.json writes with a point or an exponent, and the other without; transformers wrote the source. */
export function spellingDifferences(configJson: string, plan: HfPlan): readonly string[] {
  const numbers = (text: string): Map<string, string> =>
    new Map(
      [...text.matchAll(/^ {2}"(\w+)": (-?\d[\d.e+-]*),?$/gm)].map(([, key = "", number = ""]) => [
        key,
        number,
      ]),
    );
  const isReal = (number: string): boolean => /[.e]/.test(number);
  const theirs = numbers(configJson);
  return [...numbers(String(plan.files.get("config.json")))].flatMap(([key, number]) => {
    const source = theirs.get(key);
    const differs = source !== undefined && isReal(source) !== isReal(number);
    return differs ? [`${key}: ${number} was ${source}`] : [];
  });
}
