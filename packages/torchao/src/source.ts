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
import { E5M2_MISFIT } from "@requant/core/view";
import { torchaoCodec } from "./codec.ts";
import { parseTorchaoConfig } from "./config.ts";

/** Numbers that inputs are multiplied by, one for each column (torchao, AWQ and SmoothQuant). */
const PRE_SCALE = "_weight_act_pre_scale";

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
    findBySuffixes(tensors, [...torchaoCodec.suffixes, PRE_SCALE], (parts) =>
      suffixesOf(parts).has("_weight_qdata"),
    ).filter(({ isWeight }) => isWeight),
  reader: torchaoReader,
};

function torchaoReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseTorchaoConfig(json, place);
  return {
    claims: {},
    claimsModule: (module) => config === undefined || !isNamedModule(config.modulesToNotConvert, module),
    openable(_module, parts, at) {
      refuseOtherKinds(parts, at);
      const layout = torchaoCodec.readLayout(parts, undefined, at);
      return openableWeight(torchaoCodec, layout, `torchao-${layout.kind}`, at, (bytes) => {
        const facts = torchaoCodec.measure(layout, bytes, at);
        return {
          layout,
          facts,
          ...(layout.codes === "F8_E5M2" ? { noView: E5M2_MISFIT } : {}),
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

/** Encodings by which kinds that are read differ from others. Int4Tensor has two codes in an I8, and float zero points. */
const ENCODINGS: Readonly<Record<string, { readonly what: string; readonly read: readonly string[] }>> = {
  _weight_qdata: { what: "codes", read: ["I8", "F8_E4M3", "F8_E5M2"] },
  _weight_zero_point: { what: "zero points", read: ["I8"] },
};

/**
 * Kinds of tensors that pack several codes into a number, lay them out for one GPU, or belong to activations that are
 * multiplied before (torchao, quantization/quantize_/workflows/int4/int4_tensor.py). @throws UnsupportedError
 */
function refuseOtherKinds(parts: readonly LinearPart[], place: ErrorPlace): void {
  const hint = "Start from the float model, if its publisher offers one.";
  for (const { suffix, encoding } of parts) {
    const known = ENCODINGS[suffix];
    if (suffix === PRE_SCALE) {
      throw new UnsupportedError(
        `The weights are packed by torchao with ${PRE_SCALE}: a runtime multiplies their inputs by it. Such weights are not read.`,
        { ...place, hint },
      );
    }
    if (known === undefined || known.read.includes(encoding)) continue;
    const { what, read } = known;
    throw new UnsupportedError(
      `The weights are packed by torchao in a kind of tensor whose ${what} are ${encoding}; ${what} that are ${read.join(" or ")} are read.`,
      { ...place, hint },
    );
  }
}
