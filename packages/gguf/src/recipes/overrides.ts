import { UsageError } from "@requant/core";
import { didYouMean, quoted } from "@requant/core/text";
import { forkTypes, removedTypes, tensorTypeByName, tensorTypes } from "../constants.ts";
import type { TensorOverride } from "./request.ts";

/** "REGEX=TYPE". The last "=" divides, for an expression may hold others. @throws UsageError */
export function parseTensorOverride(text: string): TensorOverride {
  const at = text.lastIndexOf("=");
  const pattern = text.slice(0, at);
  const type = text.slice(at + 1).trim();
  if (at < 1 || type === "") {
    throw new UsageError(`${quoted(text)} is not of the form REGEX=TYPE.`, {
      hint: "Write for example 'ffn_down=Q6_K'.",
    });
  }
  return { pattern, type };
}

/** A file of overrides, divided by spaces or lines, as llama-quantize's --tensor-type-file. */
export function parseTensorOverrides(text: string): TensorOverride[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(parseTensorOverride);
}

/** Types that hold no weights of a model. */
const notAssignable: readonly string[] = ["Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64"];

/** Types that a user may ask for. */
export const assignableTypes: readonly string[] = tensorTypes
  .map(({ name }) => name)
  .filter((name) => !notAssignable.includes(name));

/** Checks a type given by a user. */
export function assignableType(name: string): string {
  const asked = name.toUpperCase();
  const all = tensorTypes.map((entry) => entry.name);
  if (![...all, ...removedTypes.values(), ...forkTypes.values()].includes(asked)) {
    throw new UsageError(`${quoted(name)} is not a ggml tensor type.${didYouMean(asked, assignableTypes)}`, {
      hint: `Choose one of ${assignableTypes.join(", ")}.`,
    });
  }
  const type = tensorTypeByName(asked).name;
  if (notAssignable.includes(type)) {
    throw new UsageError(`${type} is not a type for the weights of a model.`, {
      hint: "Choose a quantized type, F16, BF16 or F32.",
    });
  }
  return type;
}

export function optionalType(name: string | undefined): string | undefined {
  return name === undefined ? undefined : assignableType(name);
}

export function compile(pattern: string): RegExp {
  try {
    // tensor names are lowercase, and llama-quantize lowers the pattern
    return new RegExp(pattern, "i");
  } catch (cause) {
    throw new UsageError(`${pattern} is not a regular expression.`, { cause });
  }
}
