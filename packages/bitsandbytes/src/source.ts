import type { ErrorPlace } from "@requant/core";
import {
  type Examination,
  findBySuffixes,
  type LinearReader,
  type ModuleHints,
  openableWeight,
  type PackedSource,
  type StoredPart,
  suffixesOf,
} from "@requant/core/format";
import { bitsAndBytesCodec } from "./codec.ts";
import {
  BITS_AND_BYTES_KEYS,
  type BitsAndBytesConfig,
  bitsAndBytesQuantizesModule,
  parseBitsAndBytesConfig,
} from "./config.ts";
import { checkWeightFormat } from "./eight-bit.ts";
import { type BitsAndBytesClaims, type BitsAndBytesLayout, STATE_SUFFIXES } from "./layout.ts";
import { bitsAndBytesMethod } from "./methods.ts";
import { checkStateLength, parseQuantState } from "./quant-state.ts";

/** bitsandbytes: NF4, FP4 and LLM.int8, as transformers saves them. */
export const bitsAndBytesSource: PackedSource = {
  name: "bitsandbytes",
  runtimes: { vllm: {}, transformers: {} },
  methods: [bitsAndBytesMethod],
  selfDescribing: true,
  configKeys: BITS_AND_BYTES_KEYS,
  find: (tensors) =>
    findBySuffixes(tensors, bitsAndBytesCodec.suffixes, (parts) => {
      const has = suffixesOf(parts);
      return has.has("weight.absmax") || (has.has("weight") && has.has("SCB"));
    }).filter(({ parts }) => parts.some(({ suffix }) => suffix !== "weight")),
  reader: bitsAndBytesReader,
};

function bitsAndBytesReader(json: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseBitsAndBytesConfig(json, place);
  return {
    claims: config?.bits === undefined ? {} : { bits: config.bits, variant: variantOf(config) },
    claimsModule: (module) => config === undefined || bitsAndBytesQuantizesModule(config, module),
    async openable(_module, parts, at) {
      const layout = bitsAndBytesCodec.readLayout(parts, await claimsOf(parts, hints, at), at);
      return openableWeight(bitsAndBytesCodec, layout, labelOf(layout), at, (bytes) => {
        const facts = bitsAndBytesCodec.measure(layout, bytes, at);
        return { layout, facts, ...reading(layout), findings: [] };
      });
    },
  };
}

function variantOf({ quantType, doubleQuant }: BitsAndBytesConfig): string {
  if (quantType === undefined) return "int8";
  return doubleQuant === true ? `${quantType}-double` : quantType;
}

/** What the JSON of a 4-bit weight says; of an 8-bit weight only whether its codes stand row by row. */
async function claimsOf(
  parts: readonly StoredPart[],
  { read }: ModuleHints,
  place: ErrorPlace,
): Promise<BitsAndBytesClaims> {
  const order = parts.find(({ suffix }) => suffix === "weight_format");
  if (order?.byteLength === 1) checkWeightFormat(await read(order), place);
  const stored = parts.find(({ suffix }) => Object.hasOwn(STATE_SUFFIXES, suffix));
  if (stored === undefined) return {};
  checkStateLength(stored.byteLength, place);
  return { state: parseQuantState(await read(stored), place) };
}

function labelOf(layout: BitsAndBytesLayout): string {
  if (layout.kind === "int8") return "LLM.int8";
  const { kind, blockSize, nestedBlockSize } = layout;
  return `${kind.toUpperCase()}-${blockSize}${nestedBlockSize > 0 ? "-double" : ""}`;
}

/** How a layout is read, for display and for plans. */
function reading(layout: BitsAndBytesLayout): Pick<Examination, "settings" | "noView" | "exactIn"> {
  if (layout.kind === "int8") {
    return {
      settings: {
        bits: "8",
        groupSize: layout.columns,
        symmetric: true,
        actOrder: undefined,
        variant: "int8",
      },
      noView: { reason: "LLM.int8 multiplies each code twice, and rounds after each multiplication" },
    };
  }
  const { kind, columns, blockSize, nestedBlockSize, dtype } = layout;
  return {
    settings: {
      bits: "4",
      groupSize: columns % blockSize === 0 ? blockSize : "mixed",
      symmetric: false,
      actOrder: undefined,
      variant: nestedBlockSize > 0 ? `${kind}-double` : kind,
    },
    noView: { reason: `the sixteen values of ${kind.toUpperCase()} are those of no other format` },
    ...(dtype === "F32" ? {} : { exactIn: [dtype] }),
  };
}
