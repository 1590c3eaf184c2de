import type { ErrorPlace } from "@requant/core";
import {
  findBySuffixes,
  isNamedModule,
  type LinearReader,
  type ModuleHints,
  openableWeight,
  type PackedSource,
  suffixesOf,
} from "@requant/core/format";
import { E5M2_MISFIT } from "@requant/core/view";
import { quantoCodec } from "./codec.ts";
import { parseQuantoConfig } from "./config.ts";
import type { QuantoLayout } from "./layout.ts";
import { packedShape } from "./shape.ts";

/** quanto, as optimum-quanto saves it. */
export const quantoSource: PackedSource = {
  name: "quanto",
  methods: [{ names: ["quanto"], leavesFloats: true }],
  selfDescribing: true,
  // of transformers' `QuantoConfig`
  configKeys: ["activations", "modules_to_not_convert", "quant_method", "weights"],
  find: (tensors) =>
    findBySuffixes(tensors, quantoCodec.suffixes, (parts) => {
      const has = suffixesOf(parts);
      return has.has("weight._data") || has.has("weight._data._data");
    }).filter(({ isWeight }) => isWeight),
  reader: quantoReader,
};

function quantoReader(json: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseQuantoConfig(json, place);
  return {
    claims: config === undefined ? {} : { variant: config.weights },
    claimsModule: (module) => config === undefined || !isNamedModule(config.modulesToNotConvert, module),
    openable(module, parts, at) {
      const isPacked = suffixesOf(parts).has("weight._data._data");
      const claims = isPacked ? packedShape(module, hints, at) : {};
      const layout = quantoCodec.readLayout(parts, claims, at);
      return openableWeight(quantoCodec, layout, labelOf(layout), at, (bytes) => ({
        layout,
        facts: quantoCodec.measure(layout, bytes, at),
        ...(layout.codes === "F8_E5M2" ? { noView: E5M2_MISFIT } : {}),
        settings: {
          bits: String(layout.bits),
          groupSize: layout.groupSize,
          symmetric: layout.kind !== "packed",
          actOrder: undefined,
          variant: variantOf(layout),
        },
        findings: [],
      }));
    },
  };
}

function variantOf({ kind, bits, codes }: QuantoLayout): string {
  if (kind !== "float8") return `qint${bits}`;
  return codes === "F8_E5M2" ? "qfloat8_e5m2" : "qfloat8_e4m3fn";
}

function labelOf(layout: QuantoLayout): string {
  return layout.kind === "packed" ? `quanto-${layout.bits}bit-${layout.groupSize}g` : `quanto-${layout.kind}`;
}
