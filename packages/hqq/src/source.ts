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
import { hqqCodec } from "./codec.ts";
import { parseHqqConfig } from "./config.ts";
import { readMeta } from "./meta.ts";

/** HQQ, as hqq and transformers save it. */
export const hqqSource: PackedSource = {
  name: "hqq",
  runtimes: { transformers: {} },
  methods: [{ names: ["hqq"], leavesFloats: true }],
  selfDescribing: true,
  // of transformers' `HqqConfig`
  configKeys: ["quant_config", "quant_method", "skip_modules"],
  find: (tensors) =>
    findBySuffixes(tensors, hqqCodec.suffixes, (parts) => suffixesOf(parts).has("W_q")).filter(
      ({ isWeight }) => isWeight,
    ),
  reader: hqqReader,
};

function hqqReader(json: unknown, { read }: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseHqqConfig(json, place);
  return {
    claims: config === undefined ? {} : { bits: config.bits, groupSize: config.groupSize },
    claimsModule: (module) => config === undefined || !isNamedModule(config.skipModules, module),
    async openable(_module, parts, at) {
      const layout = hqqCodec.readLayout(parts, { meta: await readMeta(parts, read, at) }, at);
      const { bits, groupSize, axis, scale, columns } = layout;
      return openableWeight(hqqCodec, layout, `HQQ-${bits}bit-${groupSize}g`, at, (bytes) => {
        const facts = hqqCodec.measure(layout, bytes, at);
        return {
          layout,
          facts,
          settings: {
            bits: String(bits),
            groupSize: axis === 1 && columns % groupSize === 0 ? groupSize : "mixed",
            symmetric: false,
            actOrder: undefined,
            variant: `axis ${axis}`,
          },
          findings: [],
          noView: { reason: "HQQ's zero points are no integers, and its values are rounded twice" },
          ...(scale === "F32" ? {} : { exactIn: [scale] }),
        };
      });
    },
  };
}
