/**
 * What llama.cpp refuses, or ends the process on, in a GGUF of a model: metadata keys, tokenizer and tensors against tables of what its
 * loader reads. `docs/doctor.md` shows both sides, measured.
 */
import type { Finding, Metadata } from "@requant/core";
import { stringOf } from "../metadata-values.ts";
import { jointFindings, keyFindings, rulesFor } from "./check-keys.ts";
import { type NamedShape, tensorFindings } from "./check-tensors.ts";
import { tokenizerFindings } from "./check-tokenizer.ts";
import { commonKeys, generalKeys } from "./common-keys.ts";
import { families } from "./families.ts";
import { knownArchitectures } from "./known-names.ts";
import type { TensorNeed } from "./rules.ts";
import { keyLength, sizesOf, valueLength } from "./sizes.ts";

/**
 * Everything in the header that keeps llama.cpp from loading and running a model, as errors; empty when it loads. Tensors are
 * compared for the families that the table of needs has, keys and tokenizer for every architecture.
 */
export function llamaCppFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  const general = keyFindings(metadata, generalKeys, sizesOf(metadata, new Set()));
  const architecture = stringOf(metadata.get("general.architecture"));
  if (architecture === undefined) return general;
  if (!knownArchitectures.has(architecture))
    return [
      ...general,
      {
        code: "unknown-to-runtime",
        severity: "error",
        key: "general.architecture",
        message: `The program llama.cpp knows no architecture named ${JSON.stringify(architecture.slice(0, 60))}.`,
      },
    ];
  const family = Object.hasOwn(families, architecture) ? families[architecture] : undefined;
  const names = new Set(tensors.map(({ name }) => name));
  const sizes = sizesOf(metadata, names);
  const keys = keyFindings(metadata, rulesFor(architecture, commonKeys, family?.keys ?? []), sizes);
  const found = [...general, ...keys, ...tokenizerFindings(metadata)];
  if (sizes === undefined) return found;
  const [key, value] = [keyLength(sizes), valueLength(sizes)];
  const isEqual =
    family !== undefined && family.unequalHeads !== true && key !== undefined && value !== undefined;
  const joint = jointFindings(sizes, {
    wholeRope: family?.wholeRope === true,
    hasRope: family !== undefined && !family.ends.some(({ name }) => name === "position_embd.weight"),
    squareHeads: family?.layer.some(isSquareOutput) === true,
    evenHeads: family?.layer.some(isOfLayer) === false,
    joint: family?.joint,
    lengths: isEqual ? [key, value] : undefined,
  });
  const named = new Set(keys.map((one) => one.key));
  const all = [...found, ...joint.filter((one) => !named.has(one.key))];
  if (family === undefined) return all;
  // what follows from a wrong key is not a fault of its own
  const faulty = new Set(
    [...keys, ...joint].flatMap(({ key: name, severity }) =>
      name === undefined || severity !== "error" ? [] : [name],
    ),
  );
  const sound = sizesOf(metadata, names, faulty);
  return sound === undefined ? all : [...all, ...tensorFindings(family, sound, tensors, faulty.size === 0)];
}

function isSquareOutput({ name, shape }: TensorNeed): boolean {
  return name === "attn_output.weight" && shape.every((size) => size === "embd");
}

/** Whether the size of a tensor differs from layer to layer. */
function isOfLayer({ shape }: TensorNeed): boolean {
  return shape.some((size) => size.startsWith("own "));
}

/**
 * Tensors that a family's models have, and that are missing or of another shape than the metadata say, whatever program is to run
 * the model; empty for families that the table of needs does not have.
 */
export function familyShapeFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  const architecture = stringOf(metadata.get("general.architecture"));
  if (architecture === undefined || !isLlamaCppFamily(architecture)) return [];
  const family = families[architecture];
  const sizes = sizesOf(metadata, new Set(tensors.map(({ name }) => name)));
  if (family === undefined || sizes === undefined) return [];
  return tensorFindings(family, sizes, tensors, true).filter(
    ({ code }) => code === "wrong-shape" || code === "missing-tensor",
  );
}

/** Whether the table of needs has the family, so that each of its tensors is known. */
export function isLlamaCppFamily(architecture: string | undefined): boolean {
  return architecture !== undefined && Object.hasOwn(families, architecture);
}
