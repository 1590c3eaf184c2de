/** Plans Hugging Face directories of packed weights. */

import { ConversionError, type Finding, rowCount } from "@requant/core";
import {
  exampleSpellings,
  type LayoutOffer,
  type LinearPart,
  type PackedModule,
  type PlainLayout,
  parseWords,
  partByteLength,
  type TargetConfig,
  type TargetSettings,
  type WeightRequest,
  type WeightTarget,
} from "@requant/core/format";
import type { Misfit } from "@requant/core/view";
import type { LeftOut } from "@requant/models";
import { isRowSelection, refuseBrokenConfig, type WeightPlan } from "@requant/models";
import { addToGroup } from "../model/add-to-group.ts";
import { finding } from "../model/findings/finding.ts";
import { refuseFamilyCodes } from "../model/packed-sources.ts";
import { chooseWay, mostFaithful } from "./choose-way.ts";
import { isFloatEncoding, isIntegerEncoding } from "./fidelity.ts";
import { planSafetensorsFiles } from "./files/safetensors-file.ts";
import { planSideFile } from "./files/side-file.ts";
import type { Format, PlannedOutput, SourceNeeds } from "./format.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import { isHeadWeight, isLinearWeight, moduleOf } from "./linear-modules.ts";
import type { PlanSource, PlanSourceTensor, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planned, planTensor, type SourceTensors, storedFor } from "./plan-tensor.ts";
import { editedConfig, floatSideFiles, type SideFileContent } from "./side-files.ts";
import type { PlanLinear } from "./way.ts";

/** A weight format that can be written. */
export interface NamedTarget {
  readonly name: string;
  readonly target: WeightTarget;
}

/** A weight format as a target: a Hugging Face directory of packed weights. */
export function packedDirectoryFormat(format: NamedTarget): Format {
  const { target } = format;
  const { words, sampling, whyNewCodes } = target;
  return {
    name: format.name,
    target: {
      example: `${format.name}:${target.example}`,
      words,
      spellings: () => exampleSpellings(words),
      parse(text) {
        const settings = parseWords(words, text);
        return target.settle?.(settings) ?? settings;
      },
      needs: ({ settings }, source): SourceNeeds => ({
        blocks: source.gguf !== undefined && whyNewCodes === undefined,
        sampling: sampling?.isNeeded(settings, { ...source.claims, format: source.format })
          ? sampling
          : undefined,
      }),
      plan: (source, asked, options) => planPacked(format, source, asked, options),
    },
  };
}

/** A model under Hugging Face's names, with the files that belong to it as a float model. */
interface HfDraft {
  readonly weights: readonly WeightPlan[];
  readonly files: readonly SideFileContent[];
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly fileMetadata: Readonly<Record<string, string>>;
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
}

function draftOf(source: PlanSource, format: string): HfDraft {
  if (source.gguf !== undefined) {
    const made = ggufAsHf(source, "F16");
    return {
      weights: made.tensors,
      files: [...made.files],
      config: undefined,
      fileMetadata: { format: "pt" },
      leftOut: made.leftOut,
      findings: made.findings,
    };
  }
  if (source.hf === undefined) {
    throw new ConversionError("there is no config.json to say how the weights are packed", {
      path: source.name,
      hint: "Give the Hugging Face directory.",
    });
  }
  // a config.json has one quantization_config
  refuseFamilyCodes(source, `a model is not read as that and ${format}`);
  refuseBrokenConfig(source.hf, { tensors: true });
  return {
    weights: source.tensors.map(({ name, shape }) => ({ name, shape, inputs: [{ tensor: name }] })),
    files: floatSideFiles(source, undefined, true),
    config: source.hf.config,
    fileMetadata: source.fileMetadata ?? { format: "pt" },
    leftOut: [],
    findings: [],
  };
}

function planPacked(
  format: NamedTarget,
  source: PlanSource,
  asked: Target,
  options: PlanOptions,
): PlannedOutput {
  const { target } = format;
  const draft = draftOf(source, format.name);
  const sources = byName(source.tensors);
  const sourceConfig = source.quantization?.json;
  const requests = requestsOf(target, draft, sources);
  const { settings, byModule } = target.arrange?.([...requests.values()], asked.settings, sourceConfig) ?? {
    settings: asked.settings,
  };
  const packed: PackedModule[] = [];
  const left = new Map<string, string>();
  const tensors = draft.weights.map((weight): PlanTensor => {
    const request = requests.get(weight.name);
    if (request !== undefined) {
      const made = packedTensor(
        format,
        settings,
        weight,
        request,
        storedFor(weight, sources),
        byModule?.get(request.module),
      );
      if (made.misfit === undefined) {
        packed.push({ module: request.module, layout: made.linear.layout });
        return made;
      }
      left.set(request.module, made.misfit.reason);
    }
    return planTensor({ ...weight, type: floatType(weight, sources, options.exact === true) }, sources);
  });
  if (packed.length === 0) throw nothingPacked(format.name, left);
  const made = target.config({ settings, packed, left: [...left.keys()], sourceConfig });
  return {
    tensors,
    files: [
      ...planSafetensorsFiles(tensors, draft.fileMetadata, {
        name: target.baseName,
        shardSize: options.shardSize,
        indexed: target.indexed,
      }),
      ...sideFiles(draft, made),
    ],
    leftOut: draft.leftOut,
    findings: [...draft.findings, ...made.findings, ...leftFindings(left)],
  };
}

function nothingPacked(name: string, left: ReadonlyMap<string, string>): ConversionError {
  const [module, reason] = [...left][0] ?? [];
  return new ConversionError(
    module === undefined
      ? `there are no linear layers that ${name} could pack`
      : `none of ${left.size} linear layers can be packed as ${name}: ${withoutStop(reason ?? "")}`,
    { tensor: module },
  );
}

/** Reasons that were error messages are sentences. */
function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}

function leftFindings(left: ReadonlyMap<string, string>): Finding[] {
  const byReason = new Map<string, string[]>();
  for (const [module, reason] of left) addToGroup(byReason, reason, module);
  return [...byReason].map(([reason, modules]) =>
    finding(
      "left-in-floats",
      `${modules.length === 1 ? "1 linear layer stays" : `${modules.length} linear layers stay`} in floats, the first is ${modules[0]}: ${withoutStop(reason)}.`,
    ),
  );
}

/** Weights that the format packs: packed ones of the source, and linear layers of the decoder. */
function requestsOf(
  target: WeightTarget,
  draft: HfDraft,
  sources: SourceTensors,
): ReadonlyMap<string, WeightRequest> {
  const requests = new Map<string, WeightRequest>();
  for (const weight of draft.weights) {
    const stored = storedFor(weight, sources);
    const wasPacked = stored.some(({ linear }) => linear !== undefined);
    const packs = isHeadWeight(weight)
      ? target.head === "always" || (target.head === "kept" && wasPacked)
      : wasPacked || isLinearWeight(weight, draft.config);
    if (!packs) continue;
    if (stored.some(({ encoding }) => isIntegerEncoding(encoding))) continue;
    const [rows = 0, columns = 0] = weight.shape;
    const views = isRowSelection(weight) ? stored.flatMap(({ view }) => view ?? []) : [];
    const [only] = stored;
    const whole = stored.length === 1 && weight.inputs.every((input) => Object.keys(input).length === 1);
    const costs = only?.costs;
    // of a fused or stacked tensor each weight has its share
    const share = only === undefined ? 1 : rows / Math.max(1, rowCount(only.shape));
    requests.set(weight.name, {
      module: moduleOf(weight.name),
      rows,
      columns,
      views: views.length === stored.length ? views : [],
      ...(whole && only?.linear !== undefined && only.layout !== undefined
        ? { source: { format: only.linear.format, layout: only.layout } }
        : {}),
      ...(costs === undefined ? {} : { costs: costs.map((cost) => cost * share) }),
    });
  }
  return requests;
}

type Packed =
  | (PlanTensor & { readonly linear: PlanLinear; readonly misfit?: undefined })
  | { readonly misfit: Misfit };

/** In the layout that keeps the most; of those that keep as much, in the one that was asked for. */
function packedTensor(
  { name, target }: NamedTarget,
  settings: TargetSettings,
  weight: WeightPlan,
  request: WeightRequest,
  stored: readonly PlanSourceTensor[],
  own: PlainLayout | undefined,
): Packed {
  const offers = target.offers(request, settings, own);
  if (!isOffers(offers)) return { misfit: offers };
  const [facts] = request.views;
  const { source } = request;
  const choices = offers.map(({ label, layout, requirement }) => ({
    label,
    layout,
    ...chooseWay({
      ...weight,
      stored,
      layout: {
        kind: "packed",
        requirement,
        isStored:
          source?.format === name && facts !== undefined && target.sameStorage(source.layout, facts, layout),
        whyNewCodes: target.whyNewCodes,
      },
    }),
  }));
  const best = mostFaithful(choices);
  if (best === undefined) throw new ConversionError(`${name} offers no layout`);
  const { label, layout, ...chosen } = best;
  const parts = target.encoder(layout).parts;
  const linear = {
    format: name,
    layout,
    module: request.module,
    parts: parts.map(({ suffix, encoding, shape }): LinearPart => ({ suffix, encoding, shape })),
  };
  const byteLength = parts.reduce((sum, part) => sum + partByteLength(part), 0);
  return { ...planned(weight, stored, chosen, { to: label, byteLength, linear }), linear };
}

function isOffers(offers: readonly LayoutOffer[] | Misfit): offers is readonly LayoutOffer[] {
  return Array.isArray(offers);
}

/** What a weight that is not packed is stored as: what it is; packed and block types as floats. */
function floatType(weight: WeightPlan, sources: SourceTensors, exact: boolean): string {
  const stored = storedFor(weight, sources);
  const encodings = [...new Set(stored.map(({ encoding }) => encoding))];
  const [own] = encodings;
  if (own !== undefined && encodings.length === 1 && (isFloatEncoding(own) || isIntegerEncoding(own)))
    return own;
  const half = stored.every(({ view }) => view?.rounding === "f16");
  return exact && !half ? "F32" : "F16";
}

function sideFiles(draft: HfDraft, made: TargetConfig): PlannedOutput["files"] {
  const files = draft.files.map(([name, content]) => {
    if (name !== "config.json") return planSideFile(name, content);
    const text = typeof content === "string" ? content : new TextDecoder().decode(content);
    return planSideFile(
      name,
      editedConfig(text, (config) => {
        config["quantization_config"] = made.config;
        if (made.dtype !== undefined) config["dtype" in config ? "dtype" : "torch_dtype"] = made.dtype;
      }),
    );
  });
  return [...files, ...made.files.map(([name, text]) => planSideFile(name, text))];
}
