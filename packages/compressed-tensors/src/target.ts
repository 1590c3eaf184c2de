/** compressed-tensors as a target, as llm-compressor writes it. */
import {
  bitsWord,
  type ConfigRequest,
  describedGroupSize,
  groupSizeWord,
  type LinearLayout,
  type PlainLayout,
  symWord,
  type TargetConfig,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import type { CompressedTensorsGroup } from "./config.ts";
import { encoderOf } from "./encoders.ts";
import { layoutOf } from "./layout-schemas.ts";
import { offersOf, schemeOf } from "./offers.ts";
import { SCHEME_NAMES, SCHEMES, type SchemeName } from "./schemes.ts";
import { serializeCompressedTensorsConfig } from "./write-config.ts";

/** The version whose layouts are written: readers tell dense words from loose ones by it. */
const WRITTEN_VERSION = "0.19.0";

const schemeWord: WordSpec = {
  key: "scheme",
  about:
    "Instead of packed integers: bytes with a scale for each row (w8a8, fp8-channel) or block (fp8-block), or four-bit floats.",
  words: { kind: "choice", values: /* @__PURE__ */ schemeWords() },
  alone: true,
  examples: SCHEME_NAMES,
  search: "examples",
};

function schemeWords(): Record<string, SchemeName> {
  return Object.fromEntries(SCHEME_NAMES.map((name) => [name, name]));
}

/** compressed-tensors as a target. */
export const compressedTensorsTarget: WeightTarget = {
  words: [/* @__PURE__ */ bitsWord(2, 8), groupSizeWord, symWord, schemeWord],
  example: "4bit-128g-sym",
  takesGuides: true,
  rounding:
    "Codes are rounded to the nearest one, without calibration data, as llm-compressor's QuantizationModifier does; its GPTQ and AWQ modifiers lose less.",
  baseName: "model",
  indexed: true,
  head: "kept",
  offers: offersOf,
  sameStorage(source, facts, layout) {
    const [a, b] = [storageOf(source), storageOf(layout)];
    // groups of unknown columns are stored as they are only where their columns are stored, too
    return a !== undefined && a === b && (facts?.groupSize !== undefined || layout["grouping"] === "any");
  },
  encoder: encoderOf,
  config: configOf,
};

/** All of a layout that decides the stored bytes, as text; undefined for a layout of no kind. */
function storageOf(plain: LinearLayout | PlainLayout): string | undefined {
  try {
    const { kind, layout } = layoutOf({ ...plain });
    const { parts } = encoderOf({ ...plain });
    const own = { ...layout, groupSize: undefined, arithmetic: undefined };
    const fields = Object.entries(own).filter(([, value]) => value !== undefined);
    return JSON.stringify([kind, fields.sort(([a], [b]) => (a < b ? -1 : 1)), parts]);
  } catch {
    return undefined;
  }
}

function configOf(request: ConfigRequest): TargetConfig {
  const { settings, packed, left } = request;
  const scheme = schemeOf(settings);
  const head =
    packed.some(({ module }) => module === "lm_head") || left.includes("lm_head") ? [] : ["lm_head"];
  const ignore = [...head, ...left];
  const groups =
    scheme === undefined ? packedIntGroups(request) : [{ targets: ["Linear"], ...SCHEMES[scheme].weights }];
  const config = { groups, ignore, version: WRITTEN_VERSION };
  const activations = scheme === undefined ? null : SCHEMES[scheme].activations;
  return { config: serializeCompressedTensorsConfig(config, activations), files: [], findings: [] };
}

/** One group for modules with consecutive groups of columns, and one more for modules with act-order. */
function packedIntGroups({ settings, packed }: ConfigRequest): CompressedTensorsGroup[] {
  const spread = packed.filter(({ layout }) => layout["grouping"] === "any");
  const groupSize = describedGroupSize(packed, Number(settings["groupSize"]));
  const group = (
    targets: readonly string[],
    actorder: CompressedTensorsGroup["actorder"],
  ): CompressedTensorsGroup => ({
    targets,
    format: "pack-quantized",
    type: "int",
    bits: Number(settings["bits"]),
    strategy: groupSize === -1 ? "channel" : "group",
    groupSize,
    symmetric: settings["sym"] === true,
    actorder,
  });
  if (spread.length === 0) return [group(["Linear"], undefined)];
  if (spread.length === packed.length) return [group(["Linear"], "group")];
  const modules = spread.map(({ module }) => module);
  return [group(modules, "group"), group(["Linear"], undefined)];
}
