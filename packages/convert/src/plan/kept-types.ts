/** Packed weights that llama.cpp's converter keeps in their own type, whatever type the rest of the model gets. */

import { viewTypes } from "@requant/gguf";
import { plannedSources } from "@requant/models";
import type { DraftWeight, GgufDraft } from "./gguf-types.ts";
import type { PlanSourceTensor } from "./plan.ts";
import { UNSCALED_TYPE, unscaledFit } from "./tensor-scales.ts";
import type { SourceTensors } from "./typed-weight.ts";
import { viewFit } from "./view-fit.ts";

export interface KeptTypesRequest {
  readonly sources: SourceTensors;
  /** Whether the target is a type that the converter writes itself: llama-quantize keeps MXFP4 alone. */
  readonly byConverter: boolean;
  /** Leaves out weights that would not keep their values. */
  readonly exact: boolean;
}

/** The draft with those types. Weights of NVFP4 come first, as the converter writes them. */
export function withKeptTypes(draft: GgufDraft, request: KeptTypesRequest): GgufDraft {
  const weights = draft.weights.map((weight) => ({ ...weight, ...keptType(weight, request) }));
  const isLeading = ({ type }: DraftWeight): boolean => type === UNSCALED_TYPE && request.byConverter;
  const leading = weights.filter(isLeading);
  if (leading.length === 0) return { ...draft, weights };
  const fileType = draft.metadata.get("general.file_type")?.value;
  const metadata =
    typeof fileType === "number" && FLOAT_FILE_TYPES.includes(fileType)
      ? new Map([...draft.metadata, ["general.file_type", { type: "u32", value: NVFP4_FILE_TYPE }] as const])
      : draft.metadata;
  return { ...draft, metadata, weights: [...leading, ...weights.filter((weight) => !isLeading(weight))] };
}

/** llama.h (`LLAMA_FTYPE_ALL_F32`, `MOSTLY_F16`, `MOSTLY_BF16`). */
const FLOAT_FILE_TYPES: readonly number[] = [0, 1, 32];
/** llama.h (`LLAMA_FTYPE_MOSTLY_NVFP4`). */
const NVFP4_FILE_TYPE = 39;

function keptType(
  weight: DraftWeight,
  { sources, byConverter, exact }: KeptTypesRequest,
): Pick<DraftWeight, "type"> | undefined {
  const stored = plannedSources(weight).flatMap((name) => sources.get(name) ?? []);
  const { keeps } = weight;
  if (keeps !== undefined && isKeptBy(keeps, stored)) return { type: keeps };
  if (!byConverter) return undefined;
  const fit = unscaledFit(UNSCALED_TYPE, weight, stored);
  return fit === undefined || (exact && fit.fidelity !== "exact") ? undefined : { type: UNSCALED_TYPE };
}

function isKeptBy(type: string, stored: readonly PlanSourceTensor[]): boolean {
  const requirement = viewTypes.find(({ name }) => name === type)?.requirement;
  const facts = stored.flatMap(({ view }) => view ?? []);
  return (
    requirement !== undefined &&
    facts.length === stored.length &&
    viewFit(facts, requirement).fidelity === "exact"
  );
}
