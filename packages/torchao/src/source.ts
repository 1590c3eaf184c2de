import { type ErrorPlace, UnsupportedError } from "@requant/core";
import {
  findBySuffixes,
  isNamedModule,
  type LinearPart,
  type LinearReader,
  openableWeight,
  type PackedSource,
  suffixesOf,
} from "@requant/core/format";
import { torchaoCodec } from "./codec.ts";
import { parseTorchaoConfig } from "./config.ts";

/** torchao, as transformers saves it in safetensors. */
export const torchaoSource: PackedSource = {
  name: "torchao",
  methods: [{ names: ["torchao"], leavesFloats: true }],
  selfDescribing: true,
  // of transformers' `TorchAoConfig`
  configKeys: [
    "include_input_output_embeddings",
    "modules_to_not_convert",
    "quant_method",
    "quant_type",
    "quant_type_kwargs",
    "untie_embedding_weights",
  ],
  find: (tensors) =>
    findBySuffixes(tensors, torchaoCodec.suffixes, (parts) => suffixesOf(parts).has("_weight_qdata")).filter(
      ({ isWeight }) => isWeight,
    ),
  reader: torchaoReader,
};

function torchaoReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseTorchaoConfig(json, place);
  return {
    claims: {},
    claimsModule: (module) => config === undefined || !isNamedModule(config.modulesToNotConvert, module),
    openable(_module, parts, at) {
      refusePacked(parts, at);
      const layout = torchaoCodec.readLayout(parts, undefined, at);
      return openableWeight(torchaoCodec, layout, `torchao-${layout.kind}`, at, (bytes) => {
        const facts = torchaoCodec.measure(layout, bytes, at);
        return {
          layout,
          facts,
          settings: {
            bits: "8",
            groupSize: layout.groupSize,
            symmetric: facts?.symmetric === true,
            actOrder: undefined,
            variant: layout.kind,
          },
          findings: [],
        };
      });
    },
  };
}

/** Kinds of tensors that pack several codes into a number, or lay them out for one GPU. @throws UnsupportedError */
function refusePacked(parts: readonly LinearPart[], place: ErrorPlace): void {
  const codes = parts.find(({ suffix }) => suffix === "_weight_qdata");
  if (codes === undefined || ["I8", "F8_E4M3"].includes(codes.encoding)) return;
  throw new UnsupportedError(
    `The weights are packed by torchao in a kind of tensor whose codes are ${codes.encoding}; codes that are I8 or F8_E4M3 are read.`,
    { ...place, hint: "Start from the float model, if its publisher offers one." },
  );
}
