import { ConversionError, FormatError, rowLength, UnsupportedError } from "@requant/core";
import { importanceOf } from "../imatrix/fit.ts";
import { accountFor, refuseLayers } from "./account.ts";
import { groupSize, is70B } from "./facts.ts";
import { type FileType, fileTypeByName, fileTypes } from "./file-types.ts";
import { blockSize, dimensionCount, fits, type Picked, withFallback, withNamedFallback } from "./fit.ts";
import { type ImatrixOrigin, metadataChanges } from "./metadata.ts";
import { compareTensorNames, layerOf, pruneLayers } from "./order.ts";
import { assignableType, compile, optionalType } from "./overrides.ts";
import type { RecipeOptions, RecipeTensor, TypeChoice, TypeChoices, TypeRequest } from "./request.ts";
import {
  type Condition,
  fileTypesRequiringImatrix,
  keptTensors,
  type LayerRange,
  layerRanges,
  lowBitFiles,
  nameFits,
  type Part,
  partOf,
  raises,
  rules,
  typesRequiringImatrix,
} from "./rules.ts";

/**
 * The type that llama-quantize gives each tensor, in its order, and what it changes in the metadata.
 * @throws UsageError for an unknown target, type or layer, and for a pattern that fits nothing
 * @throws UnsupportedError for a target or type of a fork
 * @throws ConversionError where llama-quantize refuses: no importance matrix, quantized source, a row length that no type fits
 */
export function chooseTypes(request: TypeRequest): TypeChoices {
  const options = request.options ?? {};
  const fileType = fileTypeByName(request.target);
  const ordered = options.keepOrder
    ? request.tensors
    : request.tensors.toSorted((a, b) => compareTensorNames(a.name, b.name));
  refuseLayers(request);
  const { kept, layerCount } = pruneLayers(ordered, options.pruneLayers ?? []);
  const chooser = new Chooser(
    request,
    fileType,
    kept.map(({ name }) => name),
  );
  const tensors = kept.map(({ item, name }) => chooser.choose(item, name));
  return {
    fileType,
    tensors,
    findings: accountFor(request, tensors),
    metadata: metadataChanges({
      target: fileType,
      architecture: request.facts.architecture,
      sourceFileType: request.facts.fileType,
      imatrix: originOf(request),
      prunedLayerCount: layerCount,
    }),
  };
}

/** The count is that of the entries in use, after weights were excluded; a matrix without entries counts as none. */
function originOf({ imatrix, imatrixOrigin }: TypeRequest): ImatrixOrigin | undefined {
  if (imatrixOrigin === undefined || imatrix === undefined) return imatrixOrigin;
  return imatrix.size === 0 ? undefined : { ...imatrixOrigin, entryCount: imatrix.size };
}

/**
 * The position of a tensor among the tensors of its part; undefined where the name lacks the layer number that it should
 * have.
 */
interface Position {
  readonly index: number | undefined;
  readonly count: number;
}

/** Walks the tensors in order: some rules count the tensors before. */
class Chooser {
  readonly #request: TypeRequest;
  readonly #options: RecipeOptions;
  readonly #fileType: FileType;
  readonly #hasImatrix: boolean;
  readonly #tied: boolean;
  readonly #valueCount: number;
  readonly #overrides: readonly {
    readonly expression: RegExp;
    readonly type: string;
    readonly pattern: string;
  }[];
  readonly #outputTensor: string | undefined;
  readonly #tokenEmbedding: string | undefined;
  readonly #seen = new Map<Part, number>();

  constructor(request: TypeRequest, fileType: FileType, names: readonly string[]) {
    this.#request = request;
    this.#options = request.options ?? {};
    this.#fileType = fileType;
    this.#hasImatrix = request.hasImatrix ?? (request.imatrix?.size ?? 0) > 0;
    this.#tied = !names.some((name) => partOf(name) === "output");
    this.#valueCount = names.filter((name) => partOf(name) === "attn_v").length;
    this.#overrides = (this.#options.tensorTypes ?? []).map(({ pattern, type }) => ({
      expression: compile(pattern),
      type: assignableType(type),
      pattern,
    }));
    this.#outputTensor = optionalType(this.#options.outputTensor);
    this.#tokenEmbedding = optionalType(this.#options.tokenEmbedding);
  }

  choose(tensor: RecipeTensor, name: string): TypeChoice {
    const picked = this.#pick(tensor, name);
    const importance = this.#importance(tensor, picked);
    if (this.#options.dryRun !== true) this.#refuse(tensor, picked, importance);
    return {
      source: tensor.name,
      name,
      shape: tensor.shape,
      from: tensor.encoding,
      type: picked.type,
      reason: picked.reason,
      ...(picked.wanted === undefined ? {} : { wanted: picked.wanted }),
      ...(picked.isOverridden === true ? { isOverridden: true } : {}),
      importance,
    };
  }

  #pick(tensor: RecipeTensor, name: string): Picked {
    const keptBecause = this.#keptBecause(tensor, name);
    if (keptBecause !== undefined) return { type: tensor.encoding, reason: keptBecause, kept: true };
    const part = partOf(name);
    if (this.#tokenEmbedding !== undefined && part === "token_embd") {
      return fits(tensor, { type: this.#tokenEmbedding, reason: "`tokenEmbedding`" });
    }
    if (this.#outputTensor !== undefined && part === "output") {
      return fits(tensor, { type: this.#outputTensor, reason: "`outputTensor`" });
    }
    // llama-quantize takes no notice of them where the base type is a float
    const override = this.#overrides.find(({ expression }) => expression.test(name));
    if (override !== undefined) {
      const picked = { type: override.type, reason: `override ${override.pattern}` };
      return { ...withNamedFallback(tensor, picked), isOverridden: true };
    }
    if (this.#fileType.name === "COPY") return { type: tensor.encoding, reason: "copied", kept: true };
    const base = this.#fileType.baseType;
    const baseReason = `base type of ${this.#fileType.name}`;
    if (blockSize(base) === 1) return { type: base, reason: baseReason };
    if (this.#options.pure) return withFallback(tensor, { type: base, reason: baseReason });
    return withFallback(tensor, this.#byRules(tensor, name, part) ?? { type: base, reason: baseReason });
  }

  #keptBecause(tensor: RecipeTensor, name: string): string | undefined {
    if (dimensionCount(tensor.shape) < 2) return "kept: one-dimensional";
    if (!name.endsWith("weight")) return "kept: no weight matrix";
    if (this.#options.leaveOutput && name === "output.weight") return "kept: `leaveOutput`";
    const pattern = keptTensors.find((candidate) => nameFits(candidate, name));
    return pattern === undefined ? undefined : `kept: ${pattern.because}`;
  }

  #byRules(tensor: RecipeTensor, name: string, ownPart: Part): Picked | undefined {
    const part = ownPart === "token_embd" && this.#tied ? "output" : ownPart;
    if (part === "output" && this.#outputTensor !== undefined) {
      return { type: this.#outputTensor, reason: "`outputTensor`: the embedding is the output too" };
    }
    const position = this.#position(name, part);
    const file = this.#fileType.name;
    const holds = (when: Condition | undefined): boolean =>
      when === undefined || this.#holds(when, tensor, position);
    const rule = rules.find(
      (candidate) =>
        candidate.files.includes(file) && partFits(candidate.part, part) && holds(candidate.when),
    );
    let picked: Picked | undefined =
      rule === undefined ? undefined : { type: rule.type, reason: explain(file, part, rule.when) };
    for (const raise of raises) {
      if (raise.part !== part || !raise.files.includes(file)) continue;
      const from = picked?.type ?? this.#fileType.baseType;
      if ((raise.from?.includes(from) ?? true) && holds(raise.when)) {
        picked = { type: raise.type, reason: explain(file, part, raise.when) };
      }
    }
    return picked;
  }

  /** Counts this tensor. With experts the layer is read from the name, for a layer may have many feed-forward tensors. */
  #position(name: string, part: Part): Position {
    const index = this.#seen.get(part) ?? 0;
    this.#seen.set(part, index + 1);
    if (part === "attn_v") return { index, count: this.#valueCount };
    const { expertCount, layerCount } = this.#request.facts;
    if (expertCount <= 1 || lowBitFiles.includes(this.#fileType.name)) return { index, count: layerCount };
    const layer = layerOf(name);
    return { index: layer !== undefined && layer < layerCount ? layer : undefined, count: layerCount };
  }

  #holds(when: Condition, tensor: RecipeTensor, position: Position): boolean {
    const facts = this.#request.facts;
    return (
      asked(when.falcon, facts.architecture === "falcon") &&
      asked(when.is70B, is70B(facts)) &&
      asked(when.imatrix, this.#hasImatrix) &&
      asked(when.experts, facts.expertCount) &&
      asked(when.stacked, (tensor.shape.at(-3) ?? 1) > 1) &&
      asked(when.rowFits, rowLength(tensor.shape) % blockSize(this.#fileType.baseType) === 0) &&
      (when.architectureNot === undefined || when.architectureNot !== facts.architecture) &&
      (when.groupAtLeast === undefined || groupSize(facts) >= when.groupAtLeast) &&
      (when.expertsAtLeast === undefined || facts.expertCount >= when.expertsAtLeast) &&
      (when.layers === undefined || inRange(when.layers, tensor, position))
    );
  }

  #importance(tensor: RecipeTensor, picked: Picked): string | undefined {
    if (picked.type === tensor.encoding) return undefined;
    const { imatrix } = this.#request;
    const weights = imatrix === undefined ? undefined : importanceOf(imatrix, tensor.name, tensor.shape);
    if (weights === undefined) return undefined;
    const wanted = rowLength(tensor.shape) * (tensor.shape.at(-3) ?? 1);
    if (weights.length === wanted) return tensor.name;
    // embeddings are looked up, not multiplied: a matrix measured on the tied output does not describe them
    if (partOf(tensor.name) === "token_embd") return undefined;
    // FormatError, not ConversionError: the matrix is an input file, and this one belongs to another model
    throw new FormatError(
      `The importance matrix has ${weights.length} weights for ${tensor.name}, which needs ${wanted}.`,
      { tensor: tensor.name, hint: "Use a matrix computed on this model." },
    );
  }

  #refuse(tensor: RecipeTensor, { type, kept }: Picked, importance: string | undefined): void {
    if (kept) return;
    const missing = this.#requiresImatrix(tensor.name, type);
    if (missing && !this.#hasImatrix) {
      throw new ConversionError(
        `${this.#fileType.name} needs an importance matrix: ${tensor.name} becomes ${type}.`,
        { tensor: tensor.name, hint: "Give one as `imatrix`, or choose a larger target." },
      );
    }
    if (type === tensor.encoding) return;
    if (missing && this.#request.imatrix !== undefined && importance === undefined) {
      throw new ConversionError(
        `The importance matrix has no weights for ${tensor.name}, which becomes ${type}.`,
        {
          tensor: tensor.name,
          hint: "Compute the matrix on more text, or give this tensor a larger type.",
        },
      );
    }
    if (floats.includes(tensor.encoding)) return;
    if (blockSize(tensor.encoding) === 1) {
      throw new UnsupportedError(
        `${tensor.name} is ${tensor.encoding}, which is not a float type to quantize from.`,
        {
          tensor: tensor.name,
        },
      );
    }
    // a float type rounds a quantized value once at most, and the plan says so
    if (this.#options.allowRequantize !== true && !floats.includes(type)) {
      throw new ConversionError(
        `${tensor.name} is ${tensor.encoding} already; making it ${type} loses twice.`,
        { tensor: tensor.name, hint: requantizeHint(tensor.encoding) },
      );
    }
  }

  #requiresImatrix(name: string, type: string): boolean {
    const part = partOf(name);
    if (part === "token_embd" || part === "output") return false;
    return (
      typesRequiringImatrix.includes(type) ||
      fileTypesRequiringImatrix.some((row) => row.file === this.#fileType.name && row.type === type)
    );
  }
}

const floats: readonly string[] = ["F32", "F16", "BF16"];

function partFits(rulePart: Part | "any" | "ffn", part: Part): boolean {
  if (rulePart === "any") return true;
  if (rulePart === "ffn") return part.startsWith("ffn_");
  return rulePart === part;
}

function asked<T>(wanted: T | undefined, found: T): boolean {
  return wanted === undefined || wanted === found;
}

function inRange(range: LayerRange, tensor: RecipeTensor, { index, count }: Position): boolean {
  if (index === undefined) {
    throw new ConversionError(
      `${tensor.name} is in none of the ${count} layers, and its type depends on the layer.`,
      { tensor: tensor.name, hint: "Name its type in `tensorTypes`." },
    );
  }
  return layerRanges[range](index, count);
}

/** "Q4_K_M: attn_v, layers more bits". */
function explain(file: string, part: Part, when: Condition = {}): string {
  const facts = Object.entries(when).map(([key, value]) =>
    value === true ? key : `${key} ${String(value)}`,
  );
  return `${file}: ${[part, ...facts].join(", ")}`;
}

/** Of some types there is no float model: gpt-oss is published as MXFP4. The file type that is made of it keeps the tensor. */
function requantizeHint(encoding: string): string {
  const keeping = fileTypes.find(({ baseType }) => baseType === encoding);
  if (keeping === undefined) return "Start from a float model, or give `allowRequantize`.";
  return `Choose gguf:${keeping.name.toLowerCase()}, which keeps it as it is; or start from a float model, if there is one, or give \`allowRequantize\`.`;
}
