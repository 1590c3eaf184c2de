import { type ErrorPlace, type Finding, isCodecError } from "@requant/core";
import {
  findBySuffixes,
  groupSizeByCount,
  groupWord,
  type LinearPart,
  type LinearReader,
  type ModuleHints,
  namePattern,
  openableWeight,
  type PackedSource,
  type PatternBudget,
  packedFinding,
  patternBudget,
  readWords,
  type StoredPart,
  suffixesOf,
} from "@requant/core/format";
import { compressedTensorsCodec } from "./codec.ts";
import {
  type CompressedTensorsConfig,
  type CompressedTensorsGroup,
  parseCompressedTensorsConfig,
} from "./config.ts";
import { compressedTensorsMethod } from "./methods.ts";

/** compressed-tensors, format pack-quantized. */
export const compressedTensorsSource: PackedSource = {
  name: "compressed-tensors",
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
  find: (tensors) => findBySuffixes(tensors, compressedTensorsCodec.suffixes, isPackQuantized),
  reader: compressedTensorsReader,
};

function isPackQuantized(parts: readonly LinearPart[]): boolean {
  const codes = parts.find(({ suffix }) => suffix === "weight_packed");
  // bytes are the four-bit floats of NVFP4 and MXFP4
  return codes === undefined ? suffixesOf(parts).has("weight_shape") : codes.encoding !== "U8";
}

function compressedTensorsReader(json: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseCompressedTensorsConfig(json, place);
  const [first] = config?.groups ?? [];
  return {
    claims:
      first === undefined
        ? {}
        : {
            bits: first.bits,
            groupSize: first.groupSize,
            symmetric: first.symmetric,
            actOrder: first.actorder === "group",
          },
    claimsModule: (module) => config === undefined || !matchesAny(config.ignore, module),
    async openable(module, parts, at) {
      const unread = config?.unread?.find(({ targets }) => matchesAny(targets, module));
      if (unread !== undefined) throw unread.error;
      const claims = config === undefined ? undefined : groupOf(config, module);
      const known = bitsByShape(parts, claims?.bits);
      // only widths that do not fill words leave the number of columns open
      const stored = known !== undefined && 32 % known === 0 ? undefined : await storedColumns(parts, hints);
      const bits = known ?? bitsByColumns(parts, stored) ?? 4;
      const claimed = { bits, groupSize: claims?.groupSize ?? -1, columns: stored };
      const layout = compressedTensorsCodec.readLayout(parts, claimed, at);
      const { columns, groupCount } = layout;
      const size = groupSizeByCount(columns, groupCount, claims?.groupSize ?? -1);
      const label = `CT-${bits}bit-${groupWord(size, columns)}`;
      return openableWeight(compressedTensorsCodec, layout, label, at, (bytes) => {
        const facts = compressedTensorsCodec.measure(layout, bytes, at);
        const findings: Finding[] = [];
        if (claims !== undefined && claims.bits !== bits) {
          findings.push(
            packedFinding(`The configuration says ${claims.bits} bits; the tensors hold ${bits}.`),
          );
        }
        if (claims?.symmetric === true && !layout.symmetric) {
          findings.push(
            packedFinding("The configuration says symmetric; by the tensors the weights are asymmetric."),
          );
        }
        const claimedSize = claims?.groupSize === -1 ? columns : claims?.groupSize;
        if (claimedSize !== undefined && !facts.scattered && Math.min(claimedSize, columns) !== size) {
          findings.push(
            packedFinding(
              `The configuration says groups of ${claims?.groupSize}; the tensors have groups of ${size}.`,
            ),
          );
        }
        return {
          layout,
          facts,
          settings: {
            bits: String(bits),
            groupSize: facts.groupSize ?? size,
            symmetric: facts.symmetric,
            actOrder: facts.groupSize === undefined ? "real" : layout.grouping === "any" ? "trivial" : "none",
            variant: "pack-quantized",
            // without zero points, every weight would be read wrongly
            ...(claims?.symmetric === false && layout.symmetric
              ? {
                  contradiction:
                    "The configuration says asymmetric, and the part weight_zero_point is missing.",
                }
              : {}),
          },
          findings,
        };
      });
    },
  };
}

/** Codes' width where the shapes alone tell it: zero points fill whole words, or every column is named; else as claimed. */
function bitsByShape(parts: readonly StoredPart[], claimed: number | undefined): number | undefined {
  const find = (suffix: string): StoredPart | undefined => parts.find((part) => part.suffix === suffix);
  const [rows, rowWords] = find("weight_packed")?.shape ?? [];
  const columns = find("weight_g_idx")?.shape[0];
  const zeros = find("weight_zero_point");
  const zeroWords = zeros?.encoding === "I32" ? zeros.shape[0] : undefined;
  if (rows === undefined || rowWords === undefined) return claimed;
  // as many of 7 bits go into loose words as of 8 bits into full ones
  if (claimed === 7 && columns === 4 * rowWords) return claimed;
  const exact = [
    columns === undefined || columns % 32 !== 0 ? undefined : (32 * rowWords) / columns,
    zeroWords === undefined || rows % 32 !== 0 ? undefined : (32 * zeroWords) / rows,
  ].find((bits) => bits !== undefined);
  return exact !== undefined && Number.isInteger(exact) && exact >= 2 && exact <= 8 ? exact : claimed;
}

/** The number of columns that weight_shape says, whose bytes must be read. */
async function storedColumns(
  parts: readonly StoredPart[],
  { read }: ModuleHints,
): Promise<number | undefined> {
  const stored = parts.find(({ suffix }) => suffix === "weight_shape");
  const step = stored?.byteLength === 16 ? 2 : 1;
  if (stored?.byteLength !== 8 * step) return undefined;
  return readWords(await read(stored), 32)[step];
}

function bitsByColumns(parts: readonly StoredPart[], columns: number | undefined): number | undefined {
  const rowWords = parts.find(({ suffix }) => suffix === "weight_packed")?.shape[1];
  if (columns === undefined) return undefined;
  return [2, 3, 4, 5, 6, 7, 8].find((bits) => Math.ceil((columns * bits) / 32) === rowWords);
}

/** The group that names a module or its class, or else the only group. */
function groupOf(config: CompressedTensorsConfig, module: string): CompressedTensorsGroup | undefined {
  return (
    config.groups.find(({ targets }) => matchesAny(targets, module)) ??
    config.groups.find(({ targets }) => targets.includes("Linear")) ??
    config.groups[0]
  );
}

const matchers = new WeakMap<readonly string[], readonly ((module: string) => boolean)[]>();

/** Names, or "re:" and a regular expression that matches from the start. */
function matchesAny(patterns: readonly string[], module: string): boolean {
  let known = matchers.get(patterns);
  if (known === undefined) {
    const budget = patternBudget();
    known = patterns.map((pattern) => matcherOf(pattern, budget));
    matchers.set(patterns, known);
  }
  return known.some((matches) => matches(module));
}

/** Patterns come from the file: a pattern that is invalid, or that cannot be matched in bounded time, matches nothing. */
function matcherOf(pattern: string, budget: PatternBudget): (module: string) => boolean {
  if (!pattern.startsWith("re:")) return (module) => pattern === module || module.endsWith(`.${pattern}`);
  try {
    return namePattern(pattern.slice(3), budget);
  } catch (error) {
    if (isCodecError(error)) return () => false;
    throw error;
  }
}
