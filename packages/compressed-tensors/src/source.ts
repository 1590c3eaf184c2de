/** compressed-tensors as a source: finds weights of all its storage formats and opens them. */
import { type ErrorPlace, type Finding, FormatError, type TensorInfo, UnsupportedError } from "@requant/core";
import {
  type ClaimedConfig,
  type FoundWeight,
  findBySuffixes,
  type LinearClaims,
  type LinearReader,
  type ModuleHints,
  type OpenableWeight,
  type PackedSource,
  type StoredPart,
} from "@requant/core/format";
import {
  type CompressedTensorsConfig,
  type CompressedTensorsGroup,
  parseCompressedTensorsConfig,
} from "./config.ts";
import { openFloat4 } from "./float4-weight.ts";
import { openFloat8 } from "./float8-weight.ts";
import { openInt8 } from "./int8-weight.ts";
import { hasOwnPart, type KindClues, kindOf, type StorageKind, SUFFIXES, strangeParts } from "./kinds.ts";
import { compressedTensorsMethod } from "./methods.ts";
import type { ModuleContext } from "./module-context.ts";
import { groupOf, matchesAny } from "./module-names.ts";
import { openPackedInt } from "./packed-int-weight.ts";
import { ACTIVATION_PARTS } from "./parts.ts";
import { openTransformed } from "./transformed-weight.ts";
import { attentionTransforms, type InputTransform, inputTransforms, transformsOf } from "./transforms.ts";

type Json = Readonly<Record<string, unknown>>;

const NAME = "compressed-tensors";

/** Opens one kind of weight. */
type Open = (context: ModuleContext) => OpenableWeight | Promise<OpenableWeight>;

const OPEN: Readonly<Record<StorageKind, Open>> = {
  "packed-int": openPackedInt,
  int8: openInt8,
  float8: openFloat8,
  float4: openFloat4,
  sparse: refuseSparse,
  float: refuseFloat,
};

/** compressed-tensors in all its storage formats but the sparse ones. */
export const compressedTensorsSource: PackedSource = {
  name: NAME,
  runtimes: {
    // vllm, compressed_tensors/schemes/compressed_tensors_wNa16.py (WNA16_SUPPORTED_TYPES_MAP: 4 and 8 bits, in newer releases 2 to 8)
    vllm: { settings: [{ setting: "bits", among: [4, 8], varies: true }] },
    // transformers leaves it to the library compressed-tensors, which writes all of them
    transformers: {},
  },
  methods: [compressedTensorsMethod],
  selfDescribing: true,
  // of compressed-tensors (`QuantizationConfig`)
  configKeys: [
    "config_groups",
    "format",
    "global_compression_ratio",
    "ignore",
    "kv_cache_scheme",
    "quant_method",
    "quantization_status",
    "run_compressed",
    "sparsity_config",
    "transform_config",
    "version",
  ],
  // of `QuantizationScheme` and `QuantizationArgs` (compressed-tensors, quantization/quant_args.py)
  innerKeys: {
    "config_groups.*": ["targets", "weights", "input_activations", "output_activations", "format"],
    "config_groups.*.weights": [
      "actorder",
      "block_structure",
      "dynamic",
      "group_size",
      "num_bits",
      "observer",
      "observer_kwargs",
      "scale_dtype",
      "strategy",
      "symmetric",
      "type",
      "zp_dtype",
    ],
  },
  find,
  reader: compressedTensorsReader,
};

function find(tensors: readonly TensorInfo[], claimed: ClaimedConfig | undefined): FoundWeight[] {
  const isClaimed = claimed?.format === NAME;
  const transforms = isClaimed ? inputTransforms(claimed.settings) : [];
  const matrices = transformMatrices(tensors, transforms);
  const clues = (module: string): KindClues => ({
    isClaimed,
    isForeign: claimed !== undefined && !isClaimed,
    isTransformed: transformsOf(transforms, module).length > 0,
  });
  const rest = matrices.size === 0 ? tensors : tensors.filter(({ name }) => !matrices.has(name));
  // the parts of a module tell its kind, and for a transform its name does, too
  return findBySuffixes(rest, SUFFIXES, () => true).flatMap((found): FoundWeight[] => {
    const kind = kindOf(found.parts, clues(found.module));
    if (kind === undefined) return hasOwnPart(found.parts) ? [{ ...found, isWeight: false }] : [];
    // a float weight beside a packed one is not a part of it
    const isPacked = kind === "packed-int" || kind === "float4";
    const own = isPacked ? found.parts.filter(({ suffix }) => suffix !== "weight") : found.parts;
    const beside = transforms.flatMap(
      (transform) => matrices.get(`${found.module}.${matrixSuffix(transform)}`) ?? [],
    );
    return [{ ...found, parts: beside.length === 0 ? own : [...own, ...beside], isWeight: true }];
  });
}

/** The matrix of a transform, which the library may store beside one of its weights. */
function matrixSuffix({ name }: InputTransform): string {
  return `${name}_input.weight`;
}

/** Tensors that are such matrices, by name. */
function transformMatrices(
  tensors: readonly TensorInfo[],
  transforms: readonly InputTransform[],
): ReadonlyMap<string, StoredPart> {
  const found = new Map<string, StoredPart>();
  for (const transform of transforms) {
    const suffix = matrixSuffix(transform);
    for (const { name, encoding, shape, byteLength } of tensors) {
      if (name.endsWith(`.${suffix}`)) found.set(name, { suffix, name, encoding, shape, byteLength });
    }
  }
  return found;
}

function claimsOf(groups: readonly CompressedTensorsGroup[]): LinearClaims {
  const common = <T>(tell: (group: CompressedTensorsGroup) => T): T | undefined => {
    const [first, ...others] = groups.map(tell);
    return others.every((one) => one === first) ? first : undefined;
  };
  return {
    bits: common(({ bits }) => bits),
    groupSize: common(({ groupSize, block }) => (block === undefined ? groupSize : undefined)),
    symmetric: common(({ symmetric }) => symmetric),
    actOrder: common(({ actorder }) => actorder === "group"),
    variant: common(({ format }) => format),
  };
}

function compressedTensorsReader(json: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseCompressedTensorsConfig(json, place);
  const settings = config === undefined ? undefined : settingsOf(json);
  const transforms = inputTransforms(settings);
  return {
    claims: claimsOf(config?.groups ?? []),
    findings: attentionFindings(settings),
    claimsModule: (module) => config === undefined || !matchesAny(config.ignore, module),
    async openable(module, all, at) {
      const parts = all.filter(({ suffix }) => SUFFIXES.includes(suffix) && !isActivation(suffix));
      const own = transformsOf(transforms, module);
      const clues = { isClaimed: true, isForeign: false, isTransformed: own.length > 0 };
      const kind = kindOf(parts, clues) ?? "packed-int";
      const unread = config?.unread?.find(({ targets }) => matchesAny(targets, module));
      if (unread !== undefined) throw unread.error;
      const strange = strangeParts(kind, parts).map(({ suffix }) => suffix);
      if (strange.length > 0) {
        throw new FormatError(
          `The module has parts of several formats: ${parts.map(({ suffix }) => suffix).join(", ")}; ${strange.join(", ")} ${strange.length === 1 ? "has" : "have"} no meaning here.`,
          { ...at, hint: "Take the weights from the original model." },
        );
      }
      const claims = config === undefined ? undefined : claimsFor(config, module, kind);
      const leftOver = all.filter(({ suffix }) => isActivation(suffix));
      const version = config?.version;
      const context = { parts, leftOver, claims, version, sparsity: sparsityOf(settings), hints, place: at };
      const weight = await OPEN[kind](context);
      return own.length === 0 ? weight : openTransformed(weight, own, at);
    },
  };
}

function settingsOf(json: unknown): Json | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const settings = json as Json;
  const inner = settings["quantization_config"] ?? settings["compression_config"];
  return typeof inner === "object" && inner !== null ? (inner as Json) : settings;
}

/** What the types of weights are of each kind. */
const TYPES: Readonly<Partial<Record<StorageKind, CompressedTensorsGroup["type"]>>> = {
  "packed-int": "int",
  int8: "int",
  float8: "float",
  float4: "float",
};

/** The group of a module, where it can be about weights of such a kind. */
function claimsFor(
  config: CompressedTensorsConfig,
  module: string,
  kind: StorageKind,
): CompressedTensorsGroup | undefined {
  const group = groupOf(config, module);
  return group?.type === TYPES[kind] ? group : undefined;
}

function isActivation(suffix: string): boolean {
  return ACTIVATION_PARTS.includes(suffix);
}

function attentionFindings(settings: Json | undefined): Finding[] {
  return attentionTransforms(settings ?? {}).map((name) => ({
    code: "quantization-config",
    severity: "note",
    message: `The transform "${name}" rotates queries and keys alike while the model runs, which cancels out: it changes no weight, and is left out.`,
    key: "transform_config",
  }));
}

function sparsityOf(settings: Json | undefined): string | undefined {
  const sparsity = settings?.["sparsity_config"];
  if (typeof sparsity !== "object" || sparsity === null || !("format" in sparsity)) return undefined;
  return typeof sparsity.format === "string" ? sparsity.format : undefined;
}

function refuseSparse({ sparsity, place }: ModuleContext): never {
  const name = sparsity === undefined ? "a sparse format" : `the sparse format "${sparsity}"`;
  throw new UnsupportedError(`The weights are stored by compressed-tensors in ${name}, which is not read.`, {
    ...place,
    hint: "Decompress the model with the compressed-tensors library first.",
  });
}

/** Names do not tell which float weights are of the class that a transform names. */
function refuseFloat({ place }: ModuleContext): never {
  throw new UnsupportedError(
    "The configuration transforms the inputs of modules while the model runs, and their weights are stored in floats, which are not changed.",
    {
      ...place,
      hint: 'Add these modules to "ignore" of the transform in config.json, where the model does not transform them.',
    },
  );
}
