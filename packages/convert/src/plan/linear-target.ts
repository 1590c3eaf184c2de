/** What a linear format must say to be a target: layouts for weights, encoders for layouts, a configuration for all. */
import type { LinearLayout, LinearPart, LinearWeight, PartBytes } from "@requant/core/format";
import type { IntegerView, Misfit, ViewFacts, ViewRequirement } from "@requant/core/view";
/** As a target's `parse` made them. */
export type TargetSettings = Readonly<Record<string, string | number | boolean>>;

/** A layout as a plan holds it: JSON of numbers, words and flags. */
export type PlainLayout = Readonly<Record<string, string | number | boolean>>;

/** A weight that is to be packed. */
export interface WeightRequest {
  /** Module name: "model.layers.0.self_attn.q_proj". */
  readonly module: string;
  readonly rows: number;
  readonly columns: number;
  /** Facts of the views that its rows come from; empty where they are floats. */
  readonly views: readonly ViewFacts[];
  /** The source's own way of storing it, where it is one packed weight, row by row the same. */
  readonly source?: { readonly format: string; readonly layout: LinearLayout } | undefined;
  /** Of its float rows: what each EXL2 recipe would cost, where that was looked at. */
  readonly recipeErrors?: readonly number[] | undefined;
}

/** What a look at all weights decides: settings that one file can say only once, and what each weight gets. */
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

/** Packs one weight, whose layout is chosen. */
export interface WeightEncoder {
  readonly parts: readonly LinearPart[];
  /** What a view must be to be stored exactly; undefined where every view gets new codes. */
  readonly requirement: ViewRequirement | undefined;
  /** Bands of rows begin at multiples of this. */
  readonly rowMultiple: number;
  /** True where the decoded weight is exactly the view that was packed. */
  readonly storesViewExactly: boolean;
  /** Rows of floats as a view, round to nearest. */
  quantize(values: Float32Array, rows: number): IntegerView;
  fromView(view: IntegerView, rowStart: number, bytes: PartBytes): void;
  /** Formats that look at a whole weight before they choose a code. */
  readonly packWhole?: (values: Float32Array) => Readonly<Record<string, Uint8Array>>;
  open(bytes: PartBytes): LinearWeight;
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

export interface TargetConfig {
  /** `quantization_config` of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Files beside config.json that say it again. */
  readonly files: readonly (readonly [name: string, text: string])[];
  /** `torch_dtype` where the format's readers want another one than the model has. */
  readonly dtype?: string | undefined;
  readonly notes: readonly string[];
}

/** A linear format as a target. */
export interface LinearTarget {
  readonly name: string;
  readonly example: string;
  /** Whole spellings after the colon, for listings. */
  allowed(): readonly string[];
  parse(tokens: readonly string[]): TargetSettings | undefined;
  /** File name of the weights without ending. */
  readonly baseName: string;
  /** Shards have an index.json. */
  readonly indexed: boolean;
  /**
   * What becomes of lm_head: "always" packed; "kept": packed where the source has it so; "never": readers of the format
   * expect floats.
   */
  readonly head: "always" | "kept" | "never";
  /** @throws ConversionError when the weights cannot be stored as asked */
  arrange?(requests: readonly WeightRequest[], settings: TargetSettings, sourceConfig: unknown): Arrangement;
  /** Ways to store a weight, the asked one first; or why there is none. */
  offers(
    request: WeightRequest,
    settings: TargetSettings,
    own: PlainLayout | undefined,
  ): readonly LayoutOffer[] | Misfit;
  /** True when the stored parts of a source of this format can be copied as they are. */
  sameStorage(source: LinearLayout, facts: ViewFacts, layout: PlainLayout): boolean;
  encoder(layout: PlainLayout): WeightEncoder;
  config(request: ConfigRequest): TargetConfig;
}
