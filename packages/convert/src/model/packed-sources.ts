/** What a source holds that no reader understands, put into words, and refused by every command that needs values. */
import { type Finding, type TensorInfo, UnsupportedError } from "@requant/core";
import type { StoredLinear } from "@requant/core/format";
import { finding } from "./findings/finding.ts";
import { methodName, type QuantizationConfig, type SourceQuantization } from "./quantization-config.ts";
import type { SourceClaims, Unclaimed, UnclaimedTensors } from "./unclaimed.ts";

/** What a source must tell to be asked: a model, or the facts of one. */
export type ClaimedSource = Pick<SourceClaims, "unclaimed"> & { readonly name: string };

/** What is known about the tensors of a source once its formats have taken theirs. */
export interface Claims {
  readonly tensors: UnclaimedTensors;
  /** All that the model has, linear weights in place of their parts. */
  readonly all: readonly (TensorInfo & { readonly linear?: StoredLinear | undefined })[];
  /** Of linear formats: settings that their reader refuses. */
  readonly refused: readonly Unclaimed[];
  readonly quantization: SourceQuantization | undefined;
  /** The way out that such a source has. */
  readonly hint: string;
}

/** Reasons why parts of a source are not read; empty where all is understood. */
export function unclaimedOf({ tensors, all, refused, quantization, hint }: Claims): Unclaimed[] {
  const named = new Set(refused.flatMap((one) => one.tensors));
  const packed = tensors.packed.filter(({ name }) => !named.has(name));
  const found = [...refused];
  const linear = all.filter((tensor) => tensor.linear !== undefined);
  if (packed.length > 0) {
    const places = new Set(packed.map(({ name }) => name.slice(0, name.lastIndexOf("."))));
    const doubtful = linear.filter((tensor) => places.has(tensor.linear?.module ?? tensor.name));
    found.push({
      reason: packedReason(packed, quantization),
      hint,
      tensors: [...packed, ...doubtful].map(({ name }) => name),
    });
  }
  if (quantization === undefined) return found;
  // norms are left alone by every method
  const values = linear.length > 0 ? linear : all.filter(({ shape }) => shape.length >= 2);
  const change = found.length > 0 ? undefined : changeOf(quantization);
  const transform = quantization.runtimeTransform;
  for (const reason of [change, transform === undefined ? undefined : transformReason(transform)]) {
    if (reason === undefined) continue;
    found.push({ reason, hint, path: quantization.path, tensors: values.map(({ name }) => name) });
  }
  return found;
}

function packedReason(packed: readonly TensorInfo[], quantization: SourceQuantization | undefined): string {
  const [first] = packed;
  const what =
    packed.length === 1
      ? `${first?.name} (${described(first)})`
      : `${packed.length} tensors, the first is ${first?.name} (${described(first)})`;
  const method = quantization?.used === true ? undefined : methodName(quantization);
  const reason =
    quantization?.used === true
      ? "a part of the weights is packed in a way that is not read"
      : method === undefined
        ? "the weights are packed by an unknown method"
        : `the weights are packed by ${method}, which is not read`;
  return `${reason}: ${what}`;
}

function described(tensor: TensorInfo | undefined): string {
  return `${tensor?.encoding} [${tensor?.shape.join(", ")}]`;
}

/** A quantization configuration of an unknown method over plain floats: the model may compute with other values than those
 * that are stored. */
function changeOf(quantization: SourceQuantization): string | undefined {
  if (quantization.malformed !== undefined) {
    return `${quantization.malformed}, which is no object, so it is not known what the stored weights stand for`;
  }
  if (quantization.used || quantization.leavesFloats) return undefined;
  const method = methodName(quantization);
  return method === undefined
    ? "the quantization configuration names no method, so it is not known what the stored weights stand for"
    : `the weights are quantized by ${method}, which is not read`;
}

function transformReason(transform: string): string {
  return `the configuration has a transform that is applied while the model runs (${transform}), so the stored weights are not those that the model computes with`;
}

/** The same as findings, a configuration that nothing needed, and what is no fault and good to know. */
export function claimFindings(claims: Claims, unclaimed: readonly Unclaimed[]): Finding[] {
  const { quantization } = claims;
  return [
    ...unclaimed.map(({ reason, tensors: [tensor], path }) =>
      finding("not-read", sentence(reason), { path, tensor }),
    ),
    ...(quantization === undefined || quantization.used || unclaimed.length > 0
      ? []
      : [finding("quantization-config", floatsMessage(quantization))]),
    ...claimNotes(claims),
  ];
}

function claimNotes({ tensors }: Claims): Finding[] {
  const [unknown] = tensors.unknown;
  const [cast] = tensors.cast;
  return [
    ...(unknown === undefined
      ? []
      : [
          finding(
            "unknown-integers",
            `Nothing is known about ${counted(tensors.unknown.length, "tensor")} of integers, the first is ${unknown.name} (${described(unknown)}); they are left as they are.`,
            { tensor: unknown.name },
          ),
        ]),
    ...(cast === undefined
      ? []
      : [
          finding(
            "unscaled-float8",
            `${counted(tensors.cast.length, "matrix", "matrices")} of 8-bit floats have no scales, the first is ${cast.name}; the values are read as they are stored.`,
            { tensor: cast.name },
          ),
        ]),
  ];
}

function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function floatsMessage(config: QuantizationConfig): string {
  const method = methodName(config) ?? "an unknown method";
  return config.isForLoading
    ? `${config.path} asks for quantization by ${method} when the model is loaded; the stored weights are plain floats, and are read as they are.`
    : `${config.path} says that the weights are packed by ${method}; all of them are plain floats, and are read as they are.`;
}

/**
 * Refuses a source of which a part is not understood: its integers are no weights, and a scale in another type would be
 * another model.
 * @throws UnsupportedError naming the method, the first tensor and their number
 */
export function refuseUnclaimed({ name, unclaimed }: Pick<ClaimedSource, "name" | "unclaimed">): void {
  const [first] = unclaimed;
  if (first === undefined) return;
  throw new UnsupportedError(sentence(first.reason), {
    path: first.path ?? name,
    tensor: first.tensors[0],
    hint: first.hint,
  });
}

/** The same for one tensor: what it has to do with nothing unread can be looked at. @throws UnsupportedError */
export function refuseUnclaimedTensor(source: ClaimedSource, tensor: string): void {
  const found = source.unclaimed.find(({ tensors }) => tensors.includes(tensor));
  if (found !== undefined) {
    throw new UnsupportedError(sentence(found.reason), {
      path: found.path ?? source.name,
      tensor,
      hint: found.hint,
    });
  }
}

/** Tensors that no command may show as numbers. */
export function unreadNames({ unclaimed }: ClaimedSource): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { tensors } of unclaimed) for (const name of tensors) names.add(name);
  return names;
}
