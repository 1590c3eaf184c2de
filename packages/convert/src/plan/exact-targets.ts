/** Which targets would keep every packed weight of a source: what a plan offers where the asked one does not. */
import { isCodecError } from "@requant/core";
import {
  searchSettings,
  spellWords,
  type TargetSettings,
  type WeightRequest,
  type WeightTarget,
} from "@requant/core/format";
import { exactTypes } from "@requant/gguf";
import { weightFormats } from "../formats.ts";
import { moduleOf } from "./linear-modules.ts";
import type { PlanSource } from "./plan.ts";
import { viewFit } from "./view-fit.ts";

/** Spellings of targets; empty where the source has no packed weights. */
export function exactTargets(source: PlanSource): string[] {
  const requests = source.tensors.flatMap(({ name, shape, view, linear, grid }): WeightRequest[] => {
    const [rows = 0, columns = 0] = shape;
    return view === undefined ||
      (linear === undefined && (grid === undefined || view.storedValues !== undefined))
      ? []
      : [{ module: moduleOf(name), rows, columns, views: [view] }];
  });
  if (requests.length === 0) return [];
  const inBlocks = requests.every(({ views }) => views.every((facts) => exactTypes(facts).length > 0));
  const groupSize = groupSizeOf(requests);
  const found = weightFormats.flatMap(({ name, target }) => {
    if (target === undefined || target.whyNewCodes !== undefined) return [];
    const settings = searchSettings(target.words, groupSize).find((asked) =>
      keepsAll(target, asked, requests),
    );
    return settings === undefined ? [] : [`${name}:${spellWords(target.words, settings)}`];
  });
  return [...(inBlocks ? ["gguf:auto"] : []), ...found, "safetensors:f32"];
}

function groupSizeOf(requests: readonly WeightRequest[]): number {
  const sizes = new Set(
    requests.map(({ views, columns }) => {
      const [facts] = views;
      // act-order leaves only their number
      const size = facts?.groupSize ?? columns / (facts?.groupCount ?? 1);
      return size >= columns || !Number.isInteger(size) ? undefined : size;
    }),
  );
  sizes.delete(undefined);
  const [size] = [...sizes].sort((a, b) => (a ?? 0) - (b ?? 0));
  return size ?? 128;
}

function keepsAll(target: WeightTarget, words: TargetSettings, requests: readonly WeightRequest[]): boolean {
  const asked = settled(target, words);
  if (asked === undefined) return false;
  const settings = target.arrange?.(requests, asked, undefined).settings ?? asked;
  return requests.every((request) => {
    const offers = target.offers(request, settings, undefined);
    return (
      "length" in offers &&
      offers.some(
        ({ requirement }) =>
          requirement !== undefined && viewFit(request.views, requirement).fidelity === "exact",
      )
    );
  });
}

/** Undefined for words that contradict each other. */
function settled(target: WeightTarget, words: TargetSettings): TargetSettings | undefined {
  try {
    return target.settle?.(words) ?? words;
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}
