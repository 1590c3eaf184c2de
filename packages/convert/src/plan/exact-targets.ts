/** Which targets would keep every packed weight of a source: what a plan offers where the asked one does not. */
import { exactTypes } from "@requant/gguf";
import { moduleOf } from "./linear-modules.ts";
import type { TargetSettings, WeightRequest } from "./linear-target.ts";
import { linearTargets } from "./linear-targets.ts";
import type { PlanSource } from "./plan.ts";
import { viewWay } from "./view-way.ts";

/** Smallest first within a format; one of each format is named. */
const CANDIDATES: readonly (readonly [format: string, words: readonly string[]])[] = [
  ...[2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
    ["sym", "asym"].flatMap((sym) =>
      ["gptq", "compressed-tensors"].map((format): [string, string[]] => [format, [`${bits}bit`, "#g", sym]]),
    ),
  ),
  ["awq", ["gemm", "#g"]],
];

/** Spellings of targets; empty where the source has no packed weights. */
export function exactTargets(source: PlanSource): string[] {
  const requests = source.tensors.flatMap(({ name, shape, view, linear }): WeightRequest[] => {
    const [rows = 0, columns = 0] = shape;
    return linear === undefined || view === undefined
      ? []
      : [{ module: moduleOf(name), rows, columns, views: [view] }];
  });
  if (requests.length === 0) return [];
  const inBlocks = requests.every(({ views }) => views.every((facts) => exactTypes(facts).length > 0));
  const group = groupWordOf(requests);
  const found = new Map<string, string>();
  for (const [format, words] of CANDIDATES) {
    if (found.has(format)) continue;
    const spelled = words.map((word) => (word === "#g" ? group : word));
    if (keepsAll(format, spelled, requests)) found.set(format, `${format}:${spelled.join("-")}`);
  }
  return [...(inBlocks ? ["gguf:auto"] : []), ...found.values(), "safetensors:f32"];
}

function groupWordOf(requests: readonly WeightRequest[]): string {
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
  return size === undefined ? "128g" : `${size}g`;
}

function keepsAll(format: string, words: readonly string[], requests: readonly WeightRequest[]): boolean {
  const target = linearTargets.find(({ name }) => name === format);
  const asked: TargetSettings | undefined = target?.parse(words);
  if (target === undefined || asked === undefined) return false;
  const settings = target.arrange?.(requests, asked, undefined).settings ?? asked;
  return requests.every((request) => {
    const offers = target.offers(request, settings, undefined);
    return (
      "length" in offers &&
      offers.some(
        ({ requirement }) =>
          requirement !== undefined && viewWay(request.views, requirement).fidelity === "exact",
      )
    );
  });
}
