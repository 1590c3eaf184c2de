/** Metadata keys against the table of needs: missing, of another type, or with a value that llama.cpp stops at. */
import type { Finding, Metadata, MetadataValue } from "@requant/core";
import { numberOf, numbersOf } from "../metadata-values.ts";
import type { JointNeed, KeyNeed } from "./rules.ts";
import { keyLength, type Sizes } from "./sizes.ts";

/** The rules with the architecture's name, each key once: a family's rule replaces the common one. */
export function rulesFor(
  architecture: string,
  ...lists: readonly (readonly KeyNeed[])[]
): readonly KeyNeed[] {
  const byKey = new Map<string, KeyNeed>();
  for (const rule of lists.flat()) {
    const key = rule.key.replace("~", architecture);
    byKey.set(key, { ...rule, key });
  }
  return [...byKey.values()];
}

export function keyFindings(
  metadata: Metadata,
  rules: readonly KeyNeed[],
  sizes: Sizes | undefined,
): Finding[] {
  return rules.flatMap((rule) => {
    const value = metadata.get(rule.key);
    if (sizes !== undefined && rule.when?.(sizes) === false) return [];
    if (value === undefined) return rule.required ? [missingKey(rule.key)] : [];
    const type = wrongType(rule, value) ?? wrongLength(rule, value, sizes);
    if (type !== undefined) return [keyFinding("key-type", rule.key, type)];
    return valueFindings(rule, value, sizes);
  });
}

export function missingKey(key: string): Finding {
  return keyFinding("missing-key", key, `The file has no ${key}, which llama.cpp needs.`);
}

function keyFinding(code: "missing-key" | "key-type" | "key-value", key: string, message: string): Finding {
  return { code, severity: "error", key, message };
}

/** How a value's type is spelled. */
export function typeName(value: MetadataValue): string {
  return value.type === "array" ? `a list of ${value.elementType}` : value.type;
}

function wrongType({ key, type, list }: KeyNeed, value: MetadataValue): string | undefined {
  const fits = value.type === "array" ? list?.of.includes(value.elementType) === true : value.type === type;
  if (fits) return undefined;
  const allowed = [
    ...(type === undefined ? [] : [type]),
    ...(list === undefined ? [] : [`a list of ${list.of.join(", ")}`]),
  ];
  return `${key} is ${typeName(value)}; llama.cpp reads only ${allowed.join(" or ")}.`;
}

function wrongLength(
  { key, list }: KeyNeed,
  value: MetadataValue,
  sizes: Sizes | undefined,
): string | undefined {
  if (value.type !== "array" || list === undefined || list.length === "any") return undefined;
  const expected = list.length ?? sizes?.number("block_count");
  if (expected === undefined || value.length === expected) return undefined;
  return `${key} has ${value.length} values; llama.cpp reads ${expected}.`;
}

function valueFindings(
  { key, must, list }: KeyNeed,
  value: MetadataValue,
  sizes: Sizes | undefined,
): Finding[] {
  if (value.type === "array") {
    const values = numbersOf(value);
    if (list?.must === undefined || values === undefined || list.must.holds(values)) return [];
    return [
      keyFinding(
        "key-value",
        key,
        `${key} is ${values.slice(0, 8).join(", ")}; llama.cpp needs ${list.must.be}.`,
      ),
    ];
  }
  if (must === undefined) return [];
  const plain = value.type === "string" ? value.value : numberOf(value);
  if (plain === undefined || sizes === undefined || must.holds(plain, sizes)) return [];
  const message = `${key} is ${plain}; llama.cpp needs ${must.be}`;
  if (must.loads !== true) return [keyFinding("key-value", key, `${message}.`)];
  return [
    {
      ...keyFinding("key-value", key, `${message}: it loads the file, but computes no numbers (NaN).`),
      severity: "warning",
    },
  ];
}

/** More layers than any model has are one fault, found elsewhere. */
const MOST_LAYERS = 512;

interface JointOptions {
  readonly wholeRope: boolean;
  /** False where positions are learnt. */
  readonly hasRope: boolean;
  /** True where all heads together are as long as the embedding. */
  readonly squareHeads: boolean;
  /** True where every layer has as many key heads as the first. */
  readonly evenHeads: boolean;
  /** Where they must be equal. */
  readonly lengths: readonly [key: number, value: number] | undefined;
  readonly joint?: readonly JointNeed[] | undefined;
}

/** What several keys say together. */
export function jointFindings(
  sizes: Sizes,
  { wholeRope, hasRope, squareHeads, evenHeads, lengths, joint = [] }: JointOptions,
): Finding[] {
  const name = (key: string): string => `${sizes.architecture}.${key}`;
  const findings: Finding[] = [];
  const add = (key: string, message: string): void => {
    findings.push(keyFinding("key-value", name(key), message));
  };
  const [heads, keyHeads] = [sizes.number("attention.head_count"), sizes.number("attention.head_count_kv")];
  if (heads !== undefined && keyHeads !== undefined && keyHeads > 0 && heads % keyHeads !== 0)
    add(
      "attention.head_count_kv",
      `${name("attention.head_count")} is ${heads}, which is no multiple of ${name("attention.head_count_kv")}, ${keyHeads}.`,
    );
  const [experts, used] = [sizes.number("expert_count") ?? 0, sizes.number("expert_used_count") ?? 0];
  if (used > experts)
    add("expert_used_count", `${name("expert_used_count")} is ${used} of ${experts} experts.`);
  else if (experts > 0 && used === 0)
    add("expert_used_count", `${name("expert_count")} is ${experts}, but no expert is used.`);
  for (const { key, needed } of joint) {
    const wanted = needed(sizes);
    if (wanted !== undefined)
      add(key, `${name(key)} is ${sizes.number(key) ?? "missing"}; llama.cpp needs ${wanted}.`);
  }
  const [first, odd] = evenHeads ? unlikeLayer(sizes, "attention.head_count_kv") : [];
  if (odd !== undefined)
    add(
      "attention.head_count_kv",
      `${name("attention.head_count_kv")} is ${first} in layer 0 and ${sizes.at("attention.head_count_kv", odd)} in layer ${odd}; llama.cpp needs the same in all layers of ${sizes.architecture}.`,
    );
  const [width, length] = [sizes.number("embedding_length"), keyLength(sizes)];
  if (squareHeads && heads !== undefined && width !== undefined && heads * (length ?? 0) !== width)
    add(
      "attention.head_count",
      `${heads} heads of ${length} values do not make the embedding length, ${width}, as llama.cpp needs for ${sizes.architecture}.`,
    );
  for (const message of groupFaults(sizes, experts)) add("expert_group_count", message);
  if (lengths === undefined) return findings;
  const [ofKeys, ofValues] = lengths;
  if (ofKeys !== ofValues)
    add(
      "attention.value_length",
      `Heads have ${ofKeys} values in keys and ${ofValues} in values; llama.cpp needs as many in both.`,
    );
  const turned = sizes.number("rope.dimension_count");
  if (turned === undefined) return findings;
  if (!wholeRope && hasRope && (turned < 1 || turned > ofKeys))
    add(
      "rope.dimension_count",
      `${name("rope.dimension_count")} is ${turned}; llama.cpp needs 1 to the length of a head, ${ofKeys}.`,
    );
  if (wholeRope && turned !== ofKeys)
    add(
      "rope.dimension_count",
      `${name("rope.dimension_count")} is ${turned}; llama.cpp needs the length of a head, ${ofKeys}.`,
    );
  return findings;
}

/** The first layer's value, and the first layer with another one. */
function unlikeLayer(
  sizes: Sizes,
  key: string,
): readonly [first: number | undefined, layer: number | undefined] {
  const first = sizes.at(key, 0);
  for (let layer = 1; layer < Math.min(sizes.trunk, MOST_LAYERS); layer++)
    if (sizes.at(key, layer) !== first) return [first, layer];
  return [first, undefined];
}

function groupFaults(sizes: Sizes, experts: number): string[] {
  const groups = sizes.number("expert_group_count") ?? 0;
  const used = sizes.number("expert_group_used_count") ?? 0;
  const key = `${sizes.architecture}.expert_group_count`;
  if (groups === 0) return [];
  if (groups >= experts)
    return [`${key} is ${groups}; llama.cpp needs fewer groups than the ${experts} experts.`];
  if (groups === 1) return [];
  if (experts % groups !== 0) return [`${key} is ${groups}, which does not divide the ${experts} experts.`];
  return used > 0 && used < groups
    ? []
    : [`${used} of ${groups} groups of experts are used; llama.cpp needs 1 to ${groups - 1}.`];
}
