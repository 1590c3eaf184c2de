/** Chooses the way of each weight, and says what that way does to its values. Nothing decides it again later. */
import { elementCount, rowLength } from "@requant/core";
import { divisorOf, type Misfit, type ViewFacts, type ViewRequirement } from "@requant/core/view";
import { viewTypes } from "@requant/gguf";
import { isHeldWhole, isRowSelection, type StoredInput, type WeightInput } from "@requant/models";
import { codecOf, encoderOf } from "../model/encodings.ts";
import { type Fidelity, fidelityOf, isFloatEncoding, isQuantizedEncoding } from "./fidelity.ts";
import type { PlanSourceTensor } from "./plan.ts";
import { unscaledFit } from "./tensor-scales.ts";
import { viewFit } from "./view-fit.ts";
import { BYTES, definedNames, floatsWay, type GuideNames, type PlanThrough, ROWS, type Way } from "./way.ts";

/** What a weight is to become. */
export type OutputLayout =
  | {
      readonly kind: "tensor";
      readonly encoding: string;
      readonly guides?: GuideNames | undefined;
    }
  | {
      readonly kind: "packed";
      /** What a view must be for the layout to hold it; undefined where the layout has no view. */
      readonly requirement: ViewRequirement | undefined;
      /** Whether the source stores the weight in this layout already. */
      readonly isStored: boolean;
      /** Why the layout gives every weight a new code, where that is so. */
      readonly whyNewCodes?: string | undefined;
      readonly guides?: GuideNames | undefined;
    }
  /** Floats whose values go through another layout first, which changes them or not. */
  | {
      readonly kind: "through";
      readonly encoding: string;
      readonly through: PlanThrough;
      readonly lossless: boolean;
    };

/** What a look at the values showed where headers could not tell: they come back, or their codes fit the layout. */
export type SeenValues = "come back" | "fit";

/** One weight, and what it is to become. */
export interface WayQuestion {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
  /** The stored tensors behind the inputs. */
  readonly stored: readonly PlanSourceTensor[];
  readonly layout: OutputLayout;
  readonly seen?: SeenValues | undefined;
}

/** The way, and what it does to the values. */
export interface ChosenWay {
  readonly way: Way;
  readonly fidelity: Fidelity;
  /** Why the weight is neither copied nor exact. */
  readonly reason?: string | undefined;
  /** What would keep its values. */
  readonly hint?: string | undefined;
}

/** The most faithful way there is for a weight. @throws ConversionError where no codec reads or writes it */
export function chooseWay(question: WayQuestion): ChosenWay {
  const { layout, seen } = question;
  if (seen === "fit") return { way: viewWay(question.stored), fidelity: "exact" };
  if (layout.kind === "packed") return packedWay(question, layout);
  if (layout.kind === "through") return throughWay(layout);
  const chosen = tensorWay(question, layout.encoding, layout.guides);
  if (chosen.fidelity !== "copy") refuseWithoutCodec(question, layout.encoding);
  return seen === "come back" ? { way: chosen.way, fidelity: "exact" } : chosen;
}

/**
 * True where reading some rows costs the reading of all of them, or where all rows are solved with the same factor: one worker
 * then makes the whole weight.
 */
export function isReadWhole({ inputs, shape, name, stored }: Omit<WayQuestion, "layout">, way: Way): boolean {
  if (way.kind === "bytes" || way.kind === "rows") return false;
  if (way.kind === "floats" && way.statistics !== undefined) return true;
  if (way.kind === "through" && way.layout.kind === "packed") return true;
  const shapes = new Map(stored.map((tensor) => [tensor.name, tensor.shape]));
  return (
    stored.some(({ linear }) => linear !== undefined) ||
    isHeldWhole({ name, shape, inputs }, (tensor) => shapes.get(tensor) ?? [])
  );
}

/** The only input, if it is a stored tensor with nothing done to it but, perhaps, another shape. */
export function plainInput({ inputs }: Pick<WayQuestion, "inputs">): StoredInput | undefined {
  const [input] = inputs;
  return inputs.length === 1 && input !== undefined && "tensor" in input && Object.keys(input).length === 1
    ? input
    : undefined;
}

/** By the views of the stored tensors, which some have from the grids that their floats lie on. */
function viewWay(stored: readonly PlanSourceTensor[]): Way {
  const grids = Object.fromEntries(
    stored.flatMap(({ name, grid }) => (grid === undefined ? [] : [[name, grid] as const])),
  );
  return { kind: "view", ...(Object.keys(grids).length === 0 ? {} : { grids }) };
}

/** True for floats that all lie on grids. */
function haveGrids(stored: readonly PlanSourceTensor[]): boolean {
  return stored.some(({ grid }) => grid !== undefined) && stored.every(({ view }) => view !== undefined);
}

function tensorWay(question: WayQuestion, encoding: string, guides: GuideNames = {}): ChosenWay {
  const { stored } = question;
  const floats = (): Way => floatsWay(isDirect(question), guides);
  if (stored.some(({ linear }) => linear !== undefined)) return fromPacked(question, encoding, floats);
  if (isQuantizedEncoding(encoding) && haveGrids(stored)) return fromPacked(question, encoding, floats);
  // numbers that no file stores: what is written is all there is
  if (stored.length === 0) return { way: floats(), fidelity: "exact" };
  const fidelity = floatFidelity(question, encoding);
  if (fidelity !== "copy") return { way: floats(), fidelity };
  return { way: plainInput(question) === undefined ? ROWS : BYTES, fidelity };
}

function floatFidelity(question: WayQuestion, encoding: string): Fidelity {
  const { stored, inputs, name } = question;
  const encodings = [...new Set(stored.map((tensor) => tensor.encoding))];
  const wholeRows = isWholeTensor(question) || isWholeRows(question, encodings);
  const mapped = inputs.some(isMapped);
  const scaled = stored.some(({ scaledBy }) => scaledBy !== undefined);
  return worst(encodings.map((from) => fidelityOf(from, encoding, { wholeRows, mapped, scaled }, name)));
}

/** From packed weights: by their codes where the type holds them, else through f32. */
function fromPacked(question: WayQuestion, encoding: string, floats: () => Way): ChosenWay {
  const { stored } = question;
  const requirement = viewTypes.find(({ name }) => name === encoding)?.requirement;
  if (requirement === undefined) {
    const fidelity = packedFloatFidelity(question, encoding);
    return { way: floats(), fidelity, ...whyNotExact(fidelity, encoding) };
  }
  const facts = stored.flatMap(({ view }) => view ?? []);
  const isComplete = facts.length === stored.length && isRowSelection(question);
  const fit = isComplete ? viewFit(facts, requirement) : undefined;
  if (fit?.fidelity === "exact") return { way: viewWay(stored), fidelity: "exact" };
  const unscaled = unscaledFit(encoding, question, stored);
  if (unscaled !== undefined) {
    const way: Way = { kind: "view", unscaled: true };
    return { way, fidelity: unscaled.fidelity, ...whyOf(unscaled.misfit) };
  }
  if (fit === undefined) {
    const misfit = stored.find(({ noView }) => noView !== undefined)?.noView;
    const why = whyOf(misfit ?? { reason: "its rows are put together from floats" });
    return { way: floats(), fidelity: "requantized", ...why };
  }
  const why = whyOf(fit.misfit);
  return fit.fidelity === "rounded"
    ? { way: viewWay(stored), fidelity: "rounded", ...why }
    : { way: floats(), fidelity: "requantized", ...why };
}

function whyOf(misfit: Misfit | undefined): Pick<ChosenWay, "reason" | "hint"> {
  if (misfit === undefined) return {};
  const { reason, hint } = misfit;
  return { reason, ...(hint === undefined ? {} : { hint }) };
}

function whyNotExact(fidelity: Fidelity, encoding: string): Pick<ChosenWay, "reason" | "hint"> {
  if (fidelity === "requantized") {
    return { reason: `${encoding} has steps of its own, so every weight gets a new code` };
  }
  if (fidelity !== "float") return {};
  return {
    reason: `scale × (code − zero) can have more significant bits than ${encoding} keeps: each value is rounded once, as inference kernels of that type do`,
    hint: "F32 holds every value.",
  };
}

/** An f32 holds scale × (code − zero) exactly; an f16 only what was rounded to it before. */
function packedFloatFidelity({ stored, inputs, name }: WayQuestion, encoding: string): Fidelity {
  if (isQuantizedEncoding(encoding)) return "requantized";
  const mapped = inputs.some(isMapped);
  return worst(
    stored.map(({ view, encoding: own, exactIn = [] }): Fidelity => {
      if (!mapped && exactIn.some((narrow) => narrow === encoding)) return "exact";
      const from = view?.rounding === "f16" ? "F16" : own;
      return fidelityOf(from, encoding, { wholeRows: false, mapped }, name);
    }),
  );
}

function packedWay(question: WayQuestion, layout: OutputLayout & { readonly kind: "packed" }): ChosenWay {
  if (layout.isStored) return { way: { kind: "parts" }, fidelity: "copy" };
  const { stored } = question;
  // rows that share scales are counted from the first
  const keepsRows = layout.requirement?.scaleRows === undefined || isWholeTensor(question);
  const views =
    keepsRows && isRowSelection(question) ? stored.flatMap((tensor) => factsFor(tensor, layout) ?? []) : [];
  const fit =
    layout.requirement === undefined || views.length === 0 || views.length < stored.length
      ? undefined
      : viewFit(views, layout.requirement);
  if (fit?.fidelity === "exact") return { way: viewWay(stored), fidelity: "exact" };
  const why = whyOf(fit?.misfit ?? whyNoView(layout.whyNewCodes, stored));
  return fit?.fidelity === "rounded"
    ? { way: viewWay(stored), fidelity: "rounded", ...why }
    : {
        way: { kind: "floats", direct: false, ...definedNames(layout.guides ?? {}) },
        fidelity: "requantized",
        ...why,
      };
}

/** A layout that stores a factor for the whole weight holds a view without it. */
function factsFor(
  { view, tensorScale }: PlanSourceTensor,
  { requirement }: OutputLayout & { readonly kind: "packed" },
): ViewFacts | undefined {
  const use = requirement?.tensorScale;
  if (use === undefined || tensorScale === undefined || tensorScale.misfit !== undefined) return view;
  const isStored = use === "multiplied" || divisorOf(tensorScale.scale) !== undefined;
  return isStored ? tensorScale.facts : view;
}

/** Floats have no codes to keep, which needs no words unless codes were looked for. */
function whyNoView(whyNewCodes: string | undefined, stored: readonly PlanSourceTensor[]): Misfit | undefined {
  if (stored.every(({ encoding }) => isFloatEncoding(encoding))) {
    return stored.find(({ noView }) => noView !== undefined)?.noView;
  }
  if (whyNewCodes !== undefined) return { reason: whyNewCodes };
  const { noView, encoding } = stored.find((tensor) => tensor.view === undefined) ?? {};
  return (
    noView ??
    (encoding === undefined ? undefined : { reason: `${encoding} does not store integers times a scale` })
  );
}

/** F32 holds what a target holds; a narrower type rounds it once more. */
function throughWay(layout: OutputLayout & { readonly kind: "through" }): ChosenWay {
  const way: Way = { kind: "through", layout: layout.through };
  if (!layout.lossless) return { way, fidelity: "requantized" };
  return { way, fidelity: layout.encoding === "F32" ? "exact" : "rounded" };
}

/** Of several sources the least faithful counts. */
function worst(ways: readonly Fidelity[]): Fidelity {
  return FROM_BEST.filter((fidelity) => ways.includes(fidelity)).at(-1) ?? "exact";
}

/** A float that was quantized says less than new codes, whose error is measured. */
const FROM_BEST: readonly Fidelity[] = ["copy", "exact", "rounded", "float", "requantized"];

/** The most faithful of several, the first of those that are equally so. */
export function mostFaithful<T extends { readonly fidelity: Fidelity }>(
  choices: readonly T[],
): T | undefined {
  return FROM_BEST.flatMap((fidelity) => choices.filter((choice) => choice.fidelity === fidelity))[0];
}

/** Refused now, not in the middle of a run. */
function refuseWithoutCodec({ name, stored }: WayQuestion, encoding: string): void {
  for (const tensor of stored) {
    if (tensor.linear === undefined) codecOf(tensor.encoding, { tensor: name });
  }
  encoderOf(encoding, { tensor: name });
}

/** Each stored row is whole blocks of one tensor, and becomes one row of the output. */
function isDirect(question: WayQuestion): boolean {
  const [only] = question.stored;
  if (plainInput(question) === undefined || only === undefined) return false;
  if (only.linear !== undefined || only.scaledBy !== undefined) return false;
  const length = rowLength(question.shape);
  if (rowLength(only.shape) !== length) return false;
  return length % codecOf(only.encoding, { tensor: only.name }).blockSize === 0;
}

/** True where the values of an input are computed. */
export function isMapped(input: WeightInput): boolean {
  if ("map" in input && input.map !== undefined) return true;
  return "join" in input && input.join.some(isMapped);
}

/** One stored tensor with nothing done to it but, perhaps, another shape. */
function isWholeTensor(question: WayQuestion): boolean {
  const [only] = question.stored;
  return (
    plainInput(question) !== undefined && elementCount(only?.shape ?? []) === elementCount(question.shape)
  );
}

/** Rows of stored tensors of one encoding and of the output's row length, in any order. */
function isWholeRows(question: WayQuestion, encodings: readonly string[]): boolean {
  return (
    encodings.length === 1 &&
    isRowSelection(question) &&
    question.stored.every(({ shape }) => rowLength(shape) === rowLength(question.shape))
  );
}
