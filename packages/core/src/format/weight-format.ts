/** A weight that is stored as several tensors: how a model finds its parts, measures them and opens them. */
import { type ErrorPlace, FormatError } from "../errors.ts";
import type { Finding } from "../finding.ts";
import type { TensorInfo } from "../tensor.ts";
import type { ViewFacts } from "../view/facts.ts";
import type { Misfit } from "../view/requirement.ts";
import type { Diagnosis } from "./diagnosis.ts";
import {
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type LinearWeight,
  type OpenedWeight,
  type PartBytes,
  partBytes,
} from "./linear-codec.ts";
import type { ClaimedConfig, FormatMethod } from "./quant-method.ts";
import type { RuntimeTable } from "./runtime-needs.ts";
import type { WeightTarget } from "./weight-target.ts";

/** One stored tensor of a linear weight. */
export interface StoredPart extends LinearPart {
  /** In the file: "model.layers.0.self_attn.q_proj.qweight". */
  readonly name: string;
  readonly byteLength: number;
}

/** Where the parts of a model's tensor are, as plain data. */
export interface StoredLinear {
  /** The format's name: "gptq". */
  readonly format: string;
  /** The module's name: the tensor's without ".weight". */
  readonly module: string;
  readonly parts: readonly StoredPart[];
}

/** The quantization settings of one weight, measured from its small parts. */
export interface MeasuredSettings {
  readonly bits: string;
  /** True where columns have codes of different widths: a configuration then claims the average over the model. */
  readonly bitsVary?: boolean;
  /** Columns that share a scale; "mixed" where groups differ. */
  readonly groupSize: number | "mixed";
  readonly symmetric: boolean;
  /** "trivial": asked for, without effect on the file; undefined where the format has none. */
  readonly actOrder: "none" | "trivial" | "real" | undefined;
  /** How zero points or codes are stored: "v1", "gemm". */
  readonly variant: string;
  /** A statement of the configuration that the tensors contradict: such a weight is listed but not read. */
  readonly contradiction?: string | undefined;
}

/** The result of examining a weight's small parts. */
export interface Examination {
  /** Undefined where the small parts do not tell enough, or where the weight has no view. */
  readonly facts: ViewFacts | undefined;
  /** Why the weight has no view at all. */
  readonly noView?: Misfit | undefined;
  /** Float types narrower than F32 that hold every value: an 8-bit float times a power of two is a BF16 number. */
  readonly exactIn?: readonly ("F16" | "BF16")[] | undefined;
  readonly settings: MeasuredSettings;
  /** Disagreements and doubts. */
  readonly findings: readonly Finding[];
  /** Plain JSON of the format's own layout, as the weight is really read. */
  readonly layout: LinearLayout;
  /** Set where the weight is a view times one number, which some containers store beside the weight. */
  readonly tensorScale?: TensorScale | undefined;
}

/** A number that the whole weight is multiplied by (NVFP4), and what is known of the view without it. Plain JSON. */
export interface TensorScale {
  /** An f32 number. */
  readonly scale: number;
  /** The scale of the activations that the file stores beside it. */
  readonly inputScale?: number | undefined;
  /** Of the view that `toUnscaled` gives. */
  readonly facts: ViewFacts;
  /** Why the view times `scale` is not quite the weight; undefined where it is. */
  readonly misfit?: Misfit | undefined;
}

/** A weight that can be read once the bytes of its parts are there. */
export interface OpenableWeight {
  /** As users see it: "GPTQ-4bit-128g". */
  readonly label: string;
  /** Of a stack of matrices (experts), the rows of all. */
  readonly rows: number;
  readonly columns: number;
  /** The outer dimensions of a stack; each matrix has the same part of the rows. */
  readonly leading?: readonly number[] | undefined;
  /**
   * The name under which a checkpoint of floats has the stack, with each matrix transposed (gpt-oss's experts). Absent: its
   * own name, as it is.
   */
  readonly transposedAs?: string | undefined;
  /** Parts that `examine` needs: all but the codes. */
  readonly parameterSuffixes: readonly string[];
  /** @throws FormatError when the parts make no sense */
  examine(bytes: PartBytes): Examination;
  /** `known`: the result of `examine`, if there is one. @throws FormatError as `examine` */
  open(bytes: PartBytes, known?: Examination): OpenedWeight;
}

/** What a configuration says about a whole model or one module, for display. Undefined: the configuration says nothing. */
export interface LinearClaims {
  /** `quant_method`. */
  readonly method?: string | undefined;
  /** The format that the method stands for: "gptq" for "auto-round". */
  readonly format?: string | undefined;
  readonly bits?: number | undefined;
  /** −1: all columns. */
  readonly groupSize?: number | undefined;
  readonly symmetric?: boolean | undefined;
  readonly actOrder?: boolean | undefined;
  readonly variant?: string | undefined;
  readonly headBits?: number | undefined;
}

/** Reads the modules of one model by what its configuration claims. */
export interface LinearReader {
  readonly claims: LinearClaims;
  /** What is odd about the configuration, although it can be read. */
  readonly findings?: readonly Finding[];
  /** False where the configuration leaves the module in floats. */
  claimsModule(module: string): boolean;
  /** @throws FormatError when parts are missing or contradict each other */
  openable(
    module: string,
    parts: readonly StoredPart[],
    place: ErrorPlace,
  ): OpenableWeight | Promise<OpenableWeight>;
}

/** Facts of the model that the parts of a module do not show. */
export interface ModuleHints {
  /** config.json of the model. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** The stored shape of a tensor of the model, by its full name; undefined where there is no such tensor. */
  shapeOf(tensor: string): readonly number[] | undefined;
  /** All bytes of a stored part, for the few facts that neither the shapes nor the configuration show. */
  read(part: StoredPart): Promise<Uint8Array>;
}

/** Tensors of one module that bear the names of a format's parts. */
export interface FoundWeight {
  /** The module's name: that of the weight without ".weight". */
  readonly module: string;
  /** The weight's own name, where it is not the module's with ".weight". */
  readonly weight?: string | undefined;
  /** In the order of the tensors. `suffix` is the role that the format gives to a part. */
  readonly parts: readonly StoredPart[];
  /**
   * False where parts of a weight are missing, or where another format uses the same names. The model is refused if the
   * module has a weight to which these parts do not belong.
   */
  readonly isWeight: boolean;
}

/** A tensor whose bytes are blocks of a ggml type. */
export interface StoredBlocks {
  /** In the file. */
  readonly name: string;
  /** "IQ2_XXS". */
  readonly type: string;
  /** Of the weight: [out features, in features]. */
  readonly shape: readonly number[];
}

/**
 * A format of packed weights, as one value: everything that `@requant/convert` needs of its package. It declares the
 * methods whose configurations it understands (`methods`), finds its weights among the names of all tensors (`find`), opens
 * them (`reader`), and can be written where it has a `target`.
 */
export interface WeightFormat extends PackedSource {
  /** Set where the format can be written. */
  readonly target?: WeightTarget;
  /** Faults that this format's weights are known for. */
  readonly diagnoses?: readonly Diagnosis[];
}

/** A format as a source. */
export interface PackedSource {
  readonly name: string;
  /** Methods whose configurations tell how this format's weights are stored, its own first. */
  readonly methods: readonly FormatMethod[];
  /** Keys of its configuration that are read, or known to change no value. */
  readonly configKeys: readonly string[];
  /** True where any other key of its configuration is the name of a module, with settings of that module. */
  readonly moduleKeys?: true;
  /** The same for objects inside the configuration, by path; `*` stands for any key: `config_groups.*.weights`. */
  readonly innerKeys?: Readonly<Record<string, readonly string[]>>;
  /**
   * Tensors of one integer that hold settings of the whole model, each with the key of the configuration that it stands
   * for. They are no weights, and are the configuration where there is no other.
   */
  readonly settingTensors?: Readonly<Record<string, string>>;
  /**
   * True where the tensors tell everything that `reader` needs: a configuration of another known method is not used. For
   * other formats such a configuration is refused.
   */
  readonly selfDescribing?: boolean;
  /** Programs that run models of this format, and what each needs; undefined where nothing is known. */
  readonly runtimes?: RuntimeTable;
  /**
   * Finds the weights of this format among all tensors of a model, by names, encodings and shapes; `claimed` breaks ties.
   * Formats are asked in the order of their list: the first that finds a weight in a module reads it. Takes a number of
   * steps that grows with the number of tensors.
   */
  find(tensors: readonly TensorInfo[], claimed: ClaimedConfig | undefined): readonly FoundWeight[];
  /**
   * Tensors whose bytes are blocks of a ggml type, as a GGUF file stores them. They are no parts of other weights: each is
   * read as a tensor of that type, whatever encoding and shape the file gives it.
   */
  blocks?(tensors: readonly TensorInfo[], claimed: ClaimedConfig | undefined): readonly StoredBlocks[];
  /** `config` is the claimed configuration, as `methods` map it. */
  reader(config: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader;
}

/** The suffixes that a module has. */
export function suffixesOf(parts: readonly LinearPart[]): ReadonlySet<string> {
  return new Set(parts.map(({ suffix }) => suffix));
}

/** An openable weight of one codec; `examineWith` is what the format adds to the codec's own measurements. */
export function openableWeight<
  Layout extends LinearLayout,
  Claims,
  Weight extends OpenedWeight = LinearWeight,
>(
  codec: LinearCodec<Layout, Claims, Weight>,
  layout: Layout,
  label: string,
  place: ErrorPlace,
  examineWith: (bytes: PartBytes) => Examination & { readonly layout: Layout },
): OpenableWeight {
  /** Layouts that were found, for a weight that is opened after it was examined. */
  const layouts = new WeakMap<Examination, Layout>();
  /** Before anything is allocated for a shape: all bytes that are given must be as many as it says. */
  const checkLengths = (bytes: PartBytes): void => {
    for (const part of codec.parts(layout)) if (part.suffix in bytes) partBytes(bytes, part, place);
  };
  return {
    label,
    rows: layout.rows,
    columns: layout.columns,
    parameterSuffixes: codec.parameterSuffixes(layout),
    examine(bytes) {
      checkLengths(bytes);
      const found = examineWith(bytes);
      layouts.set(found, found.layout);
      return found;
    },
    open(bytes, known) {
      checkLengths(bytes);
      const examined = known === undefined ? undefined : layouts.get(known);
      const { layout: found, settings } =
        known !== undefined && examined !== undefined
          ? { layout: examined, settings: known.settings }
          : examineWith(bytes);
      if (settings.contradiction !== undefined) {
        throw new FormatError(settings.contradiction, {
          ...place,
          hint: "Correct the quantization configuration, or take both from the original model.",
        });
      }
      return codec.open(found, bytes, place);
    },
  };
}
