/** Weights that a target packs, with every combination of its settings. */

import { isCodecError } from "../errors.ts";
import { allocateParts, type PartBytes } from "../format/linear-codec.ts";
import type { LayoutOffer, WeightEncoder, WeightRequest, WeightTarget } from "../format/weight-target.ts";
import { exampleSpellings, parseWords, type TargetSettings } from "../format/word-spec.ts";
import type { StoredView } from "../view/level-view.ts";
import { DEFAULT_MODULE } from "./format-vector.ts";
import { sampleSpellings } from "./sample-words.ts";
import { noise } from "./weight-values.ts";

/** Columns of the weights that are packed: whole groups of every usual size. Rows are whole blocks of every layout. */
export const SHAPE = { rows: 64, columns: 256 } as const;

/** Settings of all words and of all combinations of examples; those that contradict each other are left out. */
export function settingsToTry(target: WeightTarget): TargetSettings[] {
  const spellings = new Set([target.example, ...exampleSpellings(target.words), ...sampleSpellings(target)]);
  return [...spellings].flatMap((text): TargetSettings[] => {
    const settings = unlessRefused(() => settingsOf(target, text));
    return settings === undefined ? [] : [settings];
  });
}

/** Settings as a plan gets them. */
export function settingsOf(target: WeightTarget, text: string): TargetSettings {
  const settings = parseWords(target.words, text);
  return target.settle?.(settings) ?? settings;
}

/** The result of the work; undefined where it is refused. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** Layouts that a target offers for a weight, as a plan asks for them; none where it offers none. */
export function layoutsOf(
  target: WeightTarget,
  request: WeightRequest,
  settings: TargetSettings,
): readonly LayoutOffer[] {
  return settledLayouts(target, request, settings)?.offers ?? [];
}

interface SettledLayouts {
  readonly settled: TargetSettings;
  readonly offers: readonly LayoutOffer[];
}

function settledLayouts(
  target: WeightTarget,
  request: WeightRequest,
  settings: TargetSettings,
): SettledLayouts | undefined {
  return unlessRefused(() => {
    const arranged = target.arrange?.([request], settings, undefined);
    const settled = arranged?.settings ?? settings;
    const offers = target.offers(request, settled, arranged?.byModule?.get(request.module));
    return "reason" in offers ? undefined : { settled, offers };
  });
}

/** One weight of floats, packed. */
export interface PackedFloats {
  /** For messages. */
  readonly label: string;
  readonly settled: TargetSettings;
  readonly offer: LayoutOffer;
  readonly encoder: WeightEncoder;
  readonly bytes: PartBytes;
  /** The view that was packed; absent where the encoder packs floats itself. */
  readonly view?: StoredView;
}

const known = new WeakMap<WeightTarget, readonly PackedFloats[]>();

/**
 * A weight of floats, packed with every setting that can pack it; made once for each target, since some searches are
 * slow.
 */
export function allPackedFloats(target: WeightTarget): readonly PackedFloats[] {
  const made =
    known.get(target) ?? settingsToTry(target).flatMap((settings) => packedFloats(target, settings));
  known.set(target, made);
  return made;
}

/** The first layout that is offered for floats, packed; none where the target packs no such weight. */
export function packedFloats(
  target: WeightTarget,
  settings: TargetSettings,
  { rows, columns }: { readonly rows: number; readonly columns: number } = SHAPE,
): PackedFloats[] {
  const values = noise(rows * columns, rows + columns);
  const costs = costsOf(target, values, rows, columns);
  const request = { module: DEFAULT_MODULE, rows, columns, views: [], ...costs };
  const { settled, offers } = settledLayouts(target, request, settings) ?? {};
  const offer = offers?.[0];
  if (settled === undefined || offer === undefined) return [];
  const encoder = target.encoder(offer.layout);
  const label = `${offer.label} of [${rows}, ${columns}]`;
  const { floats } = encoder;
  if (floats.kind === "whole") return [{ label, settled, offer, encoder, bytes: floats.pack(values) }];
  const bytes = allocateParts(encoder.parts);
  if (floats.kind === "rows") {
    for (let row = 0; row < rows; row += encoder.rowMultiple) {
      const end = Math.min(rows, row + encoder.rowMultiple);
      floats.pack(values.subarray(row * columns, end * columns), row, bytes);
    }
    return [{ label, settled, offer, encoder, bytes }];
  }
  const view = floats.quantize(values, rows);
  encoder.fromView(view, 0, bytes);
  return [{ label, settled, offer, encoder, bytes, view }];
}

const knownCosts = new WeakMap<WeightTarget, Map<string, readonly number[]>>();

/** What each choice of the target's sampling costs in a weight of noise; measured once for each shape. */
function costsOf(
  target: WeightTarget,
  values: Float32Array,
  rows: number,
  columns: number,
): Pick<WeightRequest, "costs"> {
  const { sampling } = target;
  if (sampling === undefined) return {};
  const byShape = knownCosts.get(target) ?? new Map<string, readonly number[]>();
  knownCosts.set(target, byShape);
  const costs = byShape.get(`${rows} ${columns}`) ?? measuredCosts(sampling, values, rows, columns);
  byShape.set(`${rows} ${columns}`, costs);
  return { costs };
}

function measuredCosts(
  sampling: NonNullable<WeightTarget["sampling"]>,
  values: Float32Array,
  rows: number,
  columns: number,
): readonly number[] {
  const sampled = sampling.rowsOf(rows);
  const sample = new Float32Array(sampled.length * columns);
  sampled.forEach((row, index) => {
    sample.set(values.subarray(row * columns, (row + 1) * columns), index * columns);
  });
  return sampling.costs(sample, rows, columns);
}
