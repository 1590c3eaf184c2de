/** Opens the weights that are stored as several tensors: found by names and shapes, the configuration second. */

import {
  type CodecError,
  type ErrorPlace,
  elementCount,
  type Finding,
  UnsupportedError,
} from "@requant/core";
import type {
  ClaimedConfig,
  LinearClaims,
  LinearReader,
  ModuleHints,
  OpenableWeight,
  WeightFormat,
} from "@requant/core/format";
import { claimedConfig } from "./claimed-config.ts";
import { unknownKeyFindings } from "./config-keys.ts";
import { formatReaders } from "./format-readers.ts";
import { claimParts, type FoundModule, foundModules, type Owners } from "./found-modules.ts";
import type { ModelTensor } from "./model.ts";
import type { QuantizationConfig } from "./quantization-config.ts";
import { settingFindings, tensorSettings } from "./setting-tensors.ts";
import { COPY_HINT, type Unclaimed } from "./unclaimed.ts";

export interface DetectedLinear {
  /** One tensor per linear weight in place of its parts; all others as they are. */
  readonly tensors: readonly ModelTensor[];
  readonly weights: ReadonlyMap<string, OpenableWeight>;
  /** The format of most weights, and what the configuration claims for it; undefined without any such weight. */
  readonly format: string | undefined;
  readonly claims: LinearClaims;
  readonly findings: readonly Finding[];
  /** Modules that a format recognised and cannot read. Their parts stay tensors of their own. */
  readonly refused: readonly Unclaimed[];
}

/** What is known of a model besides its tensors and its configuration. */
export interface DetectionContext {
  /** The list of formats: the special before the general. */
  readonly formats: readonly WeightFormat[];
  readonly hints: ModuleHints;
  /** The folder, for messages. */
  readonly path: string;
}

/**
 * Groups stored tensors into linear weights.
 * @throws FormatError naming the module whose parts are missing or contradict each other
 */
export async function detectLinear(
  files: readonly ModelTensor[],
  written: QuantizationConfig | undefined,
  { formats, hints, path }: DetectionContext,
): Promise<DetectedLinear> {
  const settings = await tensorSettings(files, formats, hints, path);
  const config = written ?? settings?.config;
  const claimed = claimedConfig(config, formats);
  const stored = withBlocks(files, formats, claimed);
  const refused = new Map<string, Unclaimed & { readonly tensors: string[] }>();
  const findings: Finding[] = [];
  const readerOf = formatReaders(config, formats, hints, findings);
  const weights = new Map<string, OpenableWeight>();
  const replaced = new Map<number, ModelTensor>();
  const consumed = new Set<string>();
  const owners: Owners = new Map();
  const counts = new Map<WeightFormat, number>();
  for (const { blocksOf } of stored) {
    const format = formats.find(({ name }) => name === blocksOf);
    if (format !== undefined) counts.set(format, (counts.get(format) ?? 0) + 1);
  }
  const names = new Set(stored.map(({ name }) => name));
  for (const module of foundModules(stored, formats, claimed)) {
    const { format, parts, first } = module;
    const place: ErrorPlace = { path: `${path}/${first.file}`, tensor: module.name };
    const name = module.weight;
    claimParts(module, names, owners, place);
    const reader = readerOf(format);
    if (reader instanceof UnsupportedError) {
      refuse(refused, reader, module);
      continue;
    }
    const weight = await openable(reader, module, place);
    if (weight instanceof UnsupportedError) {
      refuse(refused, weight, module);
      continue;
    }
    if (!reader.claimsModule(module.name)) {
      findings.push({
        code: "config-disagrees",
        severity: "warning",
        message: `The configuration leaves ${module.name} in floats, but its tensors are packed; the tensors are read.`,
        tensor: name,
      });
    }
    weights.set(name, weight);
    counts.set(format, (counts.get(format) ?? 0) + 1);
    for (const part of parts) consumed.add(part.name);
    replaced.set(module.index, {
      name,
      shape: shapeOf(weight),
      encoding: weight.label,
      byteOffset: first.byteOffset,
      byteLength: parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
      file: first.file,
      linear: { format: format.name, module: module.name, parts },
      ...(weight.transposedAs === undefined ? {} : { transposedAs: weight.transposedAs }),
    });
  }
  if (settings !== undefined && counts.has(settings.format)) {
    for (const found of settingFindings(settings, written)) findings.push(found);
    for (const { name } of settings.tensors) consumed.add(name);
  }
  const [main] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  const reader = main === undefined ? undefined : readerOf(main);
  for (const format of counts.keys()) {
    const own = readerOf(format);
    if (own instanceof UnsupportedError) continue;
    for (const found of own.findings ?? []) findings.push({ ...found, path: config?.path });
  }
  return {
    tensors: stored.flatMap((tensor, index) => {
      const whole = replaced.get(index);
      return whole !== undefined ? [whole] : consumed.has(tensor.name) ? [] : [tensor];
    }),
    weights,
    format: main?.name,
    claims: {
      ...(reader instanceof UnsupportedError ? undefined : reader?.claims),
      ...(config?.method === undefined ? {} : { method: config.method, format: claimed?.format }),
    },
    findings:
      main === undefined || config === undefined
        ? findings
        : [...findings, ...configFindings(config, claimed, main, formats)],
    refused: [...refused.values()],
  };
}

/** The tensors, those that are blocks of a ggml type as such. */
function withBlocks(
  tensors: readonly ModelTensor[],
  formats: readonly WeightFormat[],
  claimed: ClaimedConfig | undefined,
): readonly ModelTensor[] {
  const found = new Map(
    formats.flatMap((format) =>
      (format.blocks?.(tensors, claimed) ?? []).map(
        (blocks) => [blocks.name, { ...blocks, format }] as const,
      ),
    ),
  );
  if (found.size === 0) return tensors;
  return tensors.map((tensor) => {
    const blocks = found.get(tensor.name);
    if (blocks === undefined) return tensor;
    const { type, shape, format } = blocks;
    return { ...tensor, encoding: type, shape, blocksOf: format.name };
  });
}

function shapeOf({ rows, columns, leading = [] }: OpenableWeight): readonly number[] {
  return [...leading, rows / elementCount(leading), columns];
}

/** Where the configuration speaks of another format than most weights have, and keys of it that nothing reads. */
function configFindings(
  config: QuantizationConfig,
  claimed: ClaimedConfig | undefined,
  format: WeightFormat,
  formats: readonly WeightFormat[],
): Finding[] {
  const { path, method } = config;
  return [
    ...(method === undefined || claimed?.format === format.name
      ? []
      : [
          {
            code: "config-disagrees",
            severity: "warning" as const,
            message: `${path} says quant_method "${method}"; by names and shapes the tensors are ${format.name}, and are read so.`,
          },
        ]),
    ...unknownKeyFindings(config, format, formats),
  ];
}

/** The weight, or why this variant of the format is not read: the rest of the model can still be looked at. */
async function openable(
  reader: LinearReader,
  { name, parts }: FoundModule,
  place: ErrorPlace,
): Promise<OpenableWeight | UnsupportedError> {
  try {
    return await reader.openable(name, parts, place);
  } catch (error) {
    if (error instanceof UnsupportedError) return error;
    throw error;
  }
}

/** One reason for all modules that it is about. */
function refuse(
  refused: Map<string, Unclaimed & { readonly tensors: string[] }>,
  { message, hint, path }: CodecError,
  { parts }: FoundModule,
): void {
  const reason = message.replace(/\.$/, "");
  const one = refused.get(reason) ?? { reason, hint: hint ?? COPY_HINT, path, tensors: [] };
  refused.set(reason, one);
  for (const { name } of parts) one.tensors.push(name);
}
