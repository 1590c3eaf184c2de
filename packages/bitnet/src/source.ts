import { type ErrorPlace, elementCount } from "@requant/core";
import {
  type FormatMethod,
  findBySuffixes,
  isNamedModule,
  type LinearPart,
  type LinearReader,
  openableWeight,
  type PackedSource,
  suffixesOf,
} from "@requant/core/format";
import { bitnetCodec } from "./codec.ts";
import { parseBitnetConfig } from "./config.ts";

/** A model of plain floats may round them while it runs, so this method does not vouch for plain floats. */
const bitnetMethod: FormatMethod = {
  names: ["bitnet"],
  // transformers normalises the inputs of each layer then (integrations/bitnet.py: `BitLinear`)
  runtimeTransform: ({ use_rms_norm }) => (use_rms_norm === true ? "use_rms_norm" : undefined),
};

/** BitNet as transformers packs it: four ternary weights in a byte, one scale for all. */
export const bitnetSource: PackedSource = {
  name: "bitnet",
  runtimes: { transformers: {} },
  methods: [bitnetMethod],
  // of transformers' `BitNetQuantConfig`
  configKeys: [
    "linear_class",
    "modules_to_not_convert",
    "quant_method",
    "quantization_mode",
    "rms_norm_eps",
    "use_rms_norm",
  ],
  find: (tensors) =>
    findBySuffixes(tensors, bitnetCodec.suffixes, isBitnet).filter(({ isWeight }) => isWeight),
  reader: bitnetReader,
};

/** Other formats have parts of these names: theirs have other encodings, or several scales. */
function isBitnet(parts: readonly LinearPart[]): boolean {
  const has = suffixesOf(parts);
  return (
    has.has("weight") &&
    has.has("weight_scale") &&
    parts.every(({ suffix, encoding, shape }) =>
      suffix === "weight"
        ? encoding === "U8"
        : ["BF16", "F16", "F32"].includes(encoding) && elementCount(shape) === 1,
    )
  );
}

function bitnetReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseBitnetConfig(json, place);
  return {
    claims: config === undefined ? {} : { bits: 2, variant: config.linearClass },
    claimsModule: (module) => config === undefined || !isNamedModule(config.modulesToNotConvert, module),
    openable(_module, parts, at) {
      const scaleIs = config?.linearClass === "autobitlinear" ? "factor" : "divisor";
      const layout = bitnetCodec.readLayout(parts, { scaleIs }, at);
      return openableWeight(bitnetCodec, layout, "BitNet", at, (bytes) => ({
        layout,
        facts: bitnetCodec.measure(layout, bytes, at),
        settings: {
          bits: "2",
          groupSize: layout.columns,
          symmetric: true,
          actOrder: undefined,
          variant: config?.linearClass ?? "bitlinear",
        },
        findings: [],
      }));
    },
  };
}
