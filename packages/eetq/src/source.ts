import type { ErrorPlace } from "@requant/core";
import {
  findBySuffixes,
  isNamedModule,
  type LinearReader,
  openableWeight,
  type PackedSource,
  suffixesOf,
} from "@requant/core/format";
import { eetqCodec } from "./codec.ts";
import { parseEetqConfig } from "./config.ts";

/** EETQ, as transformers saves it. */
export const eetqSource: PackedSource = {
  name: "eetq",
  runtimes: { transformers: {} },
  methods: [{ names: ["eetq"], leavesFloats: true }],
  selfDescribing: true,
  // of transformers' `EetqConfig`
  configKeys: ["modules_to_not_convert", "quant_method", "weights"],
  find: (tensors) =>
    findBySuffixes(tensors, eetqCodec.suffixes, (parts) => {
      const has = suffixesOf(parts);
      const weight = parts.find(({ suffix }) => suffix === "weight");
      return has.has("weight_scales") && weight?.encoding === "I8";
    }).filter(({ isWeight }) => isWeight),
  reader: eetqReader,
};

function eetqReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseEetqConfig(json, place);
  return {
    claims: config === undefined ? {} : { bits: 8 },
    findings: [
      {
        code: "packed-weights",
        severity: "note",
        message:
          "The codes are read in the order that EETQ writes on GPUs from Turing to Ada; EETQ on a Volta GPU writes another order, and no tensor tells which.",
      },
    ],
    claimsModule: (module) => config === undefined || !isNamedModule(config.modulesToNotConvert, module),
    openable(_module, parts, at) {
      const layout = eetqCodec.readLayout(parts, undefined, at);
      return openableWeight(eetqCodec, layout, "EETQ", at, (bytes) => ({
        layout,
        facts: eetqCodec.measure(layout, bytes, at),
        settings: {
          bits: "8",
          groupSize: layout.columns,
          symmetric: true,
          actOrder: undefined,
          variant: "int8",
        },
        findings: [],
      }));
    },
  };
}
