/** What a format must provide to be a target: the words of its settings, layouts for weights, encoders, a configuration. */

import { UsageError } from "../errors.ts";
import type { Finding } from "../finding.ts";
import type { MeasuredLayer } from "../solve/scaled-statistics.ts";
import type { InputStatistics } from "../solve/statistics.ts";
import type { ViewFacts } from "../view/facts.ts";
import type { StoredView } from "../view/level-view.ts";
import type { Misfit, ViewRequirement } from "../view/requirement.ts";
import type { LinearLayout, LinearPart, OpenedWeight, PartBytes } from "./linear-codec.ts";
import type { TargetSettings, WordSpec } from "./word-spec.ts";

/** A layout as a plan holds it: JSON of numbers, words and flags. */
export type PlainLayout = Readonly<Record<string, string | number | boolean>>;

/** What `parseLayout` needs of a zod schema. */
export interface LayoutSchema<Layout> {
  /** Checks the layout that a plan has and returns it typed, or the fields that are wrong. Never throws. */
  safeParse(
    layout: unknown,
  ):
    | { readonly success: true; readonly data: Layout }
    | { readonly success: false; readonly error: { readonly issues: readonly LayoutIssue[] } };
}

/** A field of a layout that is wrong. */
export interface LayoutIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * A layout of a plan as its format's own type.
 * @throws UsageError that names the wrong fields, for a plan that was edited by hand
 */
export function parseLayout<Layout>(
  schema: LayoutSchema<Layout>,
  layout: PlainLayout,
  format: string,
): Layout {
  const parsed = schema.safeParse(layout);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`);
  throw new UsageError(`The plan has a layout that does not fit ${format} (${faults.join("; ")}).`, {
    hint: "Make the plan again.",
  });
}

/** A weight that is to be packed. */
export interface WeightRequest {
  /** Module name: "model.layers.0.self_attn.q_proj". */
  readonly module: string;
  /** Of a stack of matrices, the rows of all. */
  readonly rows: number;
  readonly columns: number;
  /** The outer dimensions of a stack; only for targets that store stacks. */
  readonly leading?: readonly number[] | undefined;
  /** Facts of the views that its rows come from; empty where they are floats. */
  readonly views: readonly ViewFacts[];
  /** The float type that the source stores these rows in, where it is one: tools compute scales in it. */
  readonly floats?: "F16" | "BF16" | "F32" | undefined;
  /** The source's own layout, where the source stores exactly these rows as one packed weight. */
  readonly source?: { readonly format: string; readonly layout: LinearLayout } | undefined;
  /** What each choice of the target's `sampling` would cost in this weight, where that was measured. */
  readonly costs?: readonly number[] | undefined;
}

/** What depends on all weights together: the settings that the configuration states once, and the layout of each weight. */
export interface Arrangement {
  readonly settings: TargetSettings;
  readonly byModule?: ReadonlyMap<string, PlainLayout> | undefined;
}

/** How a weight can be stored, the best way first. */
export interface LayoutOffer {
  readonly layout: PlainLayout;
  /** As users see it: "GPTQ-4bit-128g". */
  readonly label: string;
  readonly requirement: ViewRequirement | undefined;
}

/** Packs one weight in the layout that was chosen for it. */
export interface WeightEncoder {
  readonly parts: readonly LinearPart[];
  /** What a view must be to be stored exactly; undefined where every view gets new codes. */
  readonly requirement: ViewRequirement | undefined;
  /** Bands of rows begin at multiples of this. */
  readonly rowMultiple: number;
  /** How floats are packed. */
  readonly floats: FloatPacking;
  /**
   * Writes rows of a view that fits the requirement, `rowStart` on; an `IntegerView` where the requirement is
   * undefined or takes only integers (`takesOnlyIntegers`).
   * @throws UsageError where the view does not fit
   */
  fromView(view: StoredView, rowStart: number, bytes: PartBytes): void;
  /** Opens packed parts, to read back the values that they stand for. */
  open(bytes: PartBytes): OpenedWeight;
}

/** What is known of the inputs of a layer while its weight is packed. */
export interface PackGuide {
  /** How much the error of each column counts: the mean square of its inputs. */
  readonly importance?: Float32Array | undefined;
  readonly statistics?: InputStatistics | undefined;
}

/** How an encoder packs floats: rows of integers, rows of its own kind, or all rows together. */
export type FloatPacking =
  | {
      readonly kind: "view";
      /**
       * Rows of floats as a view; `fromView` writes it. Without a guide, each weight takes the nearest code. Where a weight
       * has calibration statistics, a run calls `solvePacking` (`@requant/core/solve`) in its place: it takes the grid
       * from here and chooses codes and scales by the error of the layer's output, so that a format needs no solver.
       */
      quantize(values: Float32Array, rows: number, guide?: Pick<PackGuide, "importance">): StoredView;
      /** True where `importance` weighs the search of the scales. */
      readonly usesImportance?: true;
      /** The largest code, for `solvePacking`, where the requirement does not say it. */
      readonly maxCode?: number;
      /** "visited": the layout stores the group of each column, and solved groups follow the order of visits. */
      readonly groups?: "visited";
      /** True where the decoded weight is exactly the view that was packed. */
      readonly storesViewExactly: boolean;
    }
  | {
      readonly kind: "rows";
      /** Writes a band of rows, `rowStart` on: whole multiples of `rowMultiple`, but for the last band. */
      pack(values: Float32Array, rowStart: number, bytes: PartBytes): void;
    }
  | {
      /** For formats that need a whole weight before they choose a code. */
      readonly kind: "whole";
      /** The parts of a weight from all its values, row after row. The caller uses the memory of the values again. */
      pack(values: Float32Array, guide?: PackGuide): Readonly<Record<string, Uint8Array>>;
      /**
       * The same parts from rows that are read several times, in bands, so that the weight is never in memory as a whole.
       * Undefined where `pack` must do it: all values are needed at once, or one of them cannot be packed, which `pack` names.
       */
      packRows?(
        rows: RepeatedRows,
        guide?: PackGuide,
      ): Promise<Readonly<Record<string, Uint8Array>> | undefined>;
      /** What of a guide it uses; nothing where absent. */
      readonly uses?: readonly (keyof PackGuide)[];
    };

/** The rows of a weight, which can be read again and again. */
export interface RepeatedRows {
  /** In order, without gaps. */
  readonly bands: readonly { readonly start: number; readonly end: number }[];
  /** The values of a band, row after row; valid until the next call. */
  read(band: { readonly start: number; readonly end: number }): Promise<Float32Array>;
}

/** A packed module of the output. */
export interface PackedModule {
  readonly module: string;
  readonly layout: PlainLayout;
}

/** What a configuration is made from. */
export interface ConfigRequest {
  readonly settings: TargetSettings;
  readonly packed: readonly PackedModule[];
  /** Linear modules that stay in floats. */
  readonly left: readonly string[];
  /** `quantization_config` of the source, where it had one. */
  readonly sourceConfig: unknown;
}

/** The configuration of a packed directory. */
export interface TargetConfig {
  /** `quantization_config` of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Other keys of config.json itself. */
  readonly topLevel?: Readonly<Record<string, unknown>> | undefined;
  /** Files beside config.json that repeat the configuration. */
  readonly files: readonly (readonly [name: string, text: string])[];
  /** `torch_dtype` where the format's readers want another one than the model has. */
  readonly dtype?: string | undefined;
  /** What a reader of the written model should know. */
  readonly findings: readonly Finding[];
}

/** What a source claims about its own packing, as far as a target needs it. */
export interface ClaimedPacking {
  readonly format: string;
  readonly bits?: number | undefined;
  readonly headBits?: number | undefined;
}

/** Measurements on a few rows of each weight, for targets that choose a layout by what it costs. */
export interface WeightSampling {
  /** Columns come in multiples of this; weights of other shapes are not sampled. */
  readonly columnMultiple: number;
  /** False where the source already is what was asked for. */
  isNeeded(settings: TargetSettings, source: ClaimedPacking): boolean;
  /** Which rows of a weight to read. */
  rowsOf(rows: number): readonly number[];
  /**
   * What each choice would cost, from those rows, for the whole weight. Numbers that grow with the rows: of a part of the
   * rows they are taken in proportion.
   */
  costs(sample: Float32Array, rows: number, columns: number, guide?: PackGuide): readonly number[];
}

/** Layers that read the same inputs, for which a target searches one scale per column. */
export interface ScaleSearchRequest {
  readonly layers: readonly MeasuredLayer[];
  readonly settings: TargetSettings;
  /** `sharedColumn[column]`: columns with the same number must get the same scale. Absent: each has its own. */
  readonly sharedColumn?: Int32Array | undefined;
}

/** A format as a target. */
export interface WeightTarget {
  /** Another word that may stand before the colon, in place of the format's name: "bnb". */
  readonly shortName?: string;
  /** The words after the colon. */
  readonly words: readonly WordSpec[];
  /** Words of an example: "4bit-128g-sym". */
  readonly example: string;
  /**
   * Fills in settings that follow from others.
   * @throws UsageError when words contradict each other, naming them
   */
  settle?(settings: TargetSettings): TargetSettings;
  /** File name of the weights without ending. */
  readonly baseName: string;
  /** True: shards have an index.json. "always": a single file has one, too. */
  readonly indexed: boolean | "always";
  /**
   * What happens to lm_head: "always": it is packed; "kept": it is packed where the source packs it; "never": readers of
   * the format expect floats.
   */
  readonly head: "always" | "kept" | "never";
  /** True where the format stores stacks of matrices (experts). For other formats each matrix is a weight of its own. */
  readonly stacks?: true;
  /** True where the format's tools also pack token embeddings. */
  readonly embeddings?: true;
  /** `__metadata__` of the files; as in the source, or that of PyTorch, where absent. */
  readonly fileMetadata?: Readonly<Record<string, string>>;
  /**
   * How codes are chosen for floats, one sentence, where the format's own tools do more: "Codes are rounded to the nearest
   * one, without calibration data."
   */
  readonly rounding?: string;
  /** Why no stored weight keeps its codes here; undefined where some do. */
  readonly whyNewCodes?: string;
  readonly sampling?: WeightSampling;
  /** True where some layouts use an importance matrix, and calibration statistics, when floats become codes. */
  readonly takesGuides?: true;
  /**
   * The setting, bits per weight of the layers that are packed, that follows from the size that is asked for where the word "auto"
   * stands in its place.
   */
  readonly sizeSetting?: string;
  /** @throws ConversionError when the weights cannot be stored as asked */
  arrange?(requests: readonly WeightRequest[], settings: TargetSettings, sourceConfig: unknown): Arrangement;
  /** Ways to store a weight, the asked one first; or why there is none. */
  offers(
    request: WeightRequest,
    settings: TargetSettings,
    own: PlainLayout | undefined,
  ): readonly LayoutOffer[] | Misfit;
  /** True when the stored parts of a source of this format can be copied as they are. A source without a view has no facts. */
  sameStorage(source: LinearLayout, facts: ViewFacts | undefined, layout: PlainLayout): boolean;
  /**
   * What packs weights into a layout.
   * @throws UsageError for a layout that is not of this format, such as one of an edited plan
   */
  encoder(layout: PlainLayout): WeightEncoder;
  /**
   * For formats whose tools multiply the columns of a weight before they round it, and divide the layer before it: the scale of each
   * column. Where it is absent, weights are rounded as they are.
   */
  inputScales?(request: ScaleSearchRequest): Float32Array;
  /** The configuration that describes the packed weights to the programs that load them. */
  config(request: ConfigRequest): TargetConfig;
}
