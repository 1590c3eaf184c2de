/** Plans Hugging Face directories of packed weights. */

import { ConversionError, type Finding } from "@requant/core";
import {
  exampleSpellings,
  type LayoutOffer,
  type LinearPart,
  type PackedModule,
  type PlainLayout,
  partByteLength,
  shortSpellings,
  type TargetConfig,
  type TargetSettings,
  type WeightRequest,
  type WeightTarget,
} from "@requant/core/format";
import type { Misfit } from "@requant/core/view";
import { type LeftOut, refuseBrokenConfig, type WeightPlan } from "@requant/models";
import { ownPlan } from "../model/own-plan.ts";
import { chooseWay, mostFaithful } from "./choose-way.ts";
import { isFloatEncoding, isIntegerEncoding } from "./fidelity.ts";
import { planSafetensorsFiles } from "./files/safetensors-file.ts";
import { planSideFile } from "./files/side-file.ts";
import type { Format, PlannedOutput, SourceNeeds } from "./format.ts";
import { ggufAsHf } from "./gguf-as-hf.ts";
import { type Guides, guidesOf } from "./guides.ts";
import { isLinearModule, moduleOf } from "./linear-modules.ts";
import { leftFindings, nothingPacked, restFindings } from "./packed-findings.ts";
import { packedRequests } from "./packed-requests.ts";
import type { PlanSource, PlanSourceTensor, PlanTensor, Target } from "./plan.ts";
import type { PlanOptions } from "./plan-options.ts";
import { byName, planned, planTensor, storedFor } from "./plan-tensor.ts";
import { refuseAdapter } from "./refuse-adapter.ts";
import { separatedExperts } from "./separate-experts.ts";
import { editedConfig, floatSideFiles, type SideFileContent } from "./side-files.ts";
import { describedWords, parseSizedWords, refuseSizes, withAskedSize } from "./sized-packed.ts";
import type { SourceTensors } from "./typed-weight.ts";
import { guideFindings, refuseUnusable, usedGuides } from "./used-guides.ts";
import type { PlanLinear } from "./way.ts";

/** A weight format that can be written. */
export interface NamedTarget {
  readonly name: string;
  readonly target: WeightTarget;
}

/** A weight format as a target: a Hugging Face directory of packed weights. */
export function packedDirectoryFormat(format: NamedTarget): Format {
  const { target } = format;
  const { rounding, sampling, shortName, sizeSetting, takesGuides, whyNewCodes } = target;
  return {
    name: format.name,
    target: {
      example: `${format.name}:${target.example}`,
      words: describedWords(target),
      shortName,
      rounding,
      spellings: () => exampleSpellings(target.words),
      examples: () => shortSpellings(target.words),
      options: [
        "grids",
        "requantizeRest",
        ...(takesGuides === true ? (["imatrix", "statistics"] as const) : []),
        ...(sizeSetting === undefined ? [] : (["targetSize"] as const)),
      ],
      parse(text) {
        const settings = parseSizedWords(target, text);
        return target.settle?.(settings) ?? settings;
      },
      needs: ({ settings }, source): SourceNeeds => ({
        grids: whyNewCodes === undefined ? "asked" : undefined,
        blocks: source.gguf !== undefined && whyNewCodes === undefined,
        sampling: sampling?.isNeeded(settings, { ...source.claims, format: source.format })
          ? sampling
          : undefined,
      }),
      refuseContradictions: (asked, options) => refuseSizes(target, asked, options),
      plan: (source, asked, options) =>
        withAskedSize(target, asked, options, (settings) =>
          planPacked(format, source, { ...asked, settings }, options),
        ),
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

function draftOf(source: PlanSource, { target }: NamedTarget): HfDraft {
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
  refuseAdapter(source);
  if (source.hf === undefined || source.sideFiles?.has("config.json") !== true) {
    throw new ConversionError("There is no config.json to say how the weights are packed.", {
      path: source.name,
      hint:
        source.hf === undefined
          ? "Give the Hugging Face directory."
          : "Make a GGUF of it first, and from that a directory with safetensors:bf16.",
    });
  }
  refuseBrokenConfig(source.hf, { tensors: true });
  const weights = source.tensors.map(ownPlan);
  return {
    weights: target.stacks === true ? weights : separatedExperts(weights, source.hf.config),
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
  const draft = draftOf(source, format);
  const sources = byName(source.tensors);
  const sourceConfig = source.quantization?.json;
  const { requests, rest } = packedRequests(format, draft, sources, options);
  const { settings, byModule } = target.arrange?.([...requests.values()], asked.settings, sourceConfig) ?? {
    settings: asked.settings,
  };
  const guides = guidesOf(source, options);
  const packed: PackedModule[] = [];
  const left = new Map<string, string>();
  const floats: string[] = [];
  const tensors = draft.weights.map((weight): PlanTensor => {
    const request = requests.get(weight.name);
    if (request !== undefined) {
      const made = packedTensor(
        format,
        { settings, guides },
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
    if (isLinearModule(weight)) floats.push(moduleOf(weight.name));
    return planTensor({ ...weight, type: floatType(weight, sources, options.exact === true) }, sources);
  });
  if (packed.length === 0) throw nothingPacked(format.name, left);
  if (guides !== undefined) refuseUnusable(format, guides, tensors);
  const made = target.config({ settings, packed, left: floats, sourceConfig });
  return {
    tensors,
    files: [
      ...planSafetensorsFiles(tensors, target.fileMetadata ?? draft.fileMetadata, {
        name: target.baseName,
        shardSize: options.shardSize,
        indexed: target.indexed,
      }),
      ...sideFiles(draft, made),
    ],
    leftOut: draft.leftOut,
    findings: [
      ...draft.findings,
      ...made.findings,
      ...leftFindings(left),
      ...restFindings(rest),
      ...(guides === undefined ? [] : guideFindings(guides, tensors, options)),
    ],
  };
}

/** What is the same for all weights. */
interface Packing {
  readonly settings: TargetSettings;
  readonly guides: Guides | undefined;
}

type Packed =
  | (PlanTensor & { readonly linear: PlanLinear; readonly misfit?: undefined })
  | { readonly misfit: Misfit };

/** In the layout that keeps the most; of those that keep as much, in the one that was asked for. */
function packedTensor(
  { name, target }: NamedTarget,
  { settings, guides }: Packing,
  weight: WeightPlan,
  request: WeightRequest,
  stored: readonly PlanSourceTensor[],
  own: PlainLayout | undefined,
): Packed {
  const offers = target.offers(request, settings, own);
  if (!isOffers(offers)) return { misfit: offers };
  const [facts] = request.views;
  const { source } = request;
  const names = guides?.of(weight);
  const choices = offers.map(({ label, layout, requirement }) => ({
    label,
    layout,
    ...chooseWay({
      ...weight,
      stored,
      layout: {
        kind: "packed",
        requirement,
        isStored: source?.format === name && target.sameStorage(source.layout, facts, layout),
        whyNewCodes: target.whyNewCodes,
        guides: names === undefined ? undefined : usedGuides(names, target.encoder(layout)),
      },
    }),
  }));
  const best = mostFaithful(choices);
  if (best === undefined) throw new ConversionError(`${name} offers no layout.`);
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
        Object.assign(config, made.topLevel);
        if (made.dtype !== undefined) config["dtype" in config ? "dtype" : "torch_dtype"] = made.dtype;
      }),
    );
  });
  return [...files, ...made.files.map(([name, text]) => planSideFile(name, text))];
}
