/** bitsandbytes as a target: NF4, as bitsandbytes quantizes it and transformers saves it. */
import { UsageError } from "@requant/core";
import {
  allocateParts,
  type LayoutOffer,
  type PlainLayout,
  parseLayout,
  type WeightEncoder,
  type WeightTarget,
  type WordSpec,
} from "@requant/core/format";
import * as z from "zod/mini";
import { bitsAndBytesCodec } from "./codec.ts";
import { serializeBitsAndBytesConfig } from "./config.ts";
import { type BitsAndBytesLayout, type EightBitLayout, type FourBitLayout, partsOf } from "./layout.ts";
import { isSameState, quantStateLength } from "./quant-state.ts";
import { blockRows, packNf4Rows, packNf4Whole } from "./quantize.ts";

const size = z.int().check(z.positive());

const fourBitSchema: z.ZodMiniType<FourBitLayout> = z.object({
  kind: z.enum(["nf4", "fp4"]),
  rows: size,
  columns: size,
  blockSize: size,
  nestedBlockSize: z.int().check(z.gte(0)),
  dtype: z.enum(["F32", "F16", "BF16"]),
  storage: z.enum(["U8", "F16", "BF16", "F32"]),
  stateLength: size,
});

const eightBitSchema: z.ZodMiniType<EightBitLayout> = z.object({
  kind: z.literal("int8"),
  rows: size,
  columns: size,
  hasFormat: z.boolean(),
});

const layoutSchema: z.ZodMiniType<BitsAndBytesLayout> = z.union([fourBitSchema, eightBitSchema]);

/** Block sizes of bitsandbytes (functional.py: `quantize_4bit`). */
const BLOCK_SIZES: readonly number[] = [32, 64, 128, 256, 512, 1024, 2048, 4096];
/** Scales that share a scale of their own, in every version of bitsandbytes. */
const NESTED_BLOCK_SIZE = 256;

const DTYPES: Readonly<Record<string, FourBitLayout["dtype"]>> = {
  "to-bf16": "BF16",
  "to-f16": "F16",
  "to-f32": "F32",
};
const COMPUTE_DTYPES = { BF16: "bfloat16", F16: "float16", F32: "float32" } as const;

const words: readonly WordSpec[] = [
  {
    key: "kind",
    about: "nf4: sixteen values of the normal distribution.",
    words: { kind: "choice", values: { nf4: "nf4" } },
    required: true,
    examples: ["nf4"],
  },
  {
    key: "blockSize",
    about: "Weights that share a scale, in the order of the flattened weight.",
    words: {
      kind: "choice",
      values: Object.fromEntries(BLOCK_SIZES.map((blockSize) => [String(blockSize), blockSize])),
    },
    default: 64,
    examples: [64, 128],
  },
  {
    key: "double",
    about: "double: the scales are quantized, too; single: they are f32 numbers.",
    words: { kind: "choice", values: { single: false, double: true } },
    default: false,
    examples: [false, true],
  },
  {
    key: "dtype",
    about: "The type that each value is rounded to when it is read; to-bf16 where no word says it.",
    words: { kind: "choice", values: DTYPES },
  },
];

/** bitsandbytes as a target. */
export const bitsAndBytesTarget: WeightTarget = {
  shortName: "bnb",
  words,
  example: "nf4-64",
  baseName: "model",
  indexed: true,
  head: "never",
  whyNewCodes: "NF4 has sixteen values of its own, so every weight gets a new code",
  offers({ rows, columns, source }, settings) {
    const asked = writtenLayout(rows, columns, settings);
    const own = source?.format === "bitsandbytes" ? layoutSchema.safeParse(source.layout) : undefined;
    // a source of the same kind is copied, with a JSON of another length
    const kept =
      own?.success === true && own.data.kind !== "int8" && isSameState(own.data, asked) ? own.data : asked;
    const offer: LayoutOffer = {
      layout: { ...kept },
      label: `NF4-${asked.blockSize}${asked.nestedBlockSize > 0 ? "-double" : ""}`,
      requirement: undefined,
    };
    return [offer];
  },
  sameStorage(source, _facts, layout) {
    const [a, b] = [layoutSchema.safeParse(source), layoutSchema.safeParse(layout)];
    return a.success && b.success && isSame(a.data, b.data);
  },
  encoder: encoderOf,
  config: ({ settings, packed, left }) => {
    const dtype = dtypeOf(packed[0]?.layout["dtype"] ?? settings["dtype"]);
    return {
      config: serializeBitsAndBytesConfig({
        quantType: "nf4",
        doubleQuant: settings["double"] === true,
        computeDtype: COMPUTE_DTYPES[dtype],
        // null stands for the head alone
        skipModules: left.some((module) => module !== "lm_head") ? [...new Set([...left, "lm_head"])] : [],
      }),
      files: [],
      findings: [],
    };
  },
};

function dtypeOf(value: unknown): FourBitLayout["dtype"] {
  return Object.values(DTYPES).find((dtype) => dtype === value) ?? "BF16";
}

function writtenLayout(
  rows: number,
  columns: number,
  settings: Readonly<Record<string, unknown>>,
): FourBitLayout {
  const state = {
    kind: "nf4",
    rows,
    columns,
    blockSize: Number(settings["blockSize"]),
    nestedBlockSize: settings["double"] === true ? NESTED_BLOCK_SIZE : 0,
    dtype: dtypeOf(settings["dtype"]),
  } as const;
  return { ...state, storage: "U8", stateLength: quantStateLength(state) };
}

function isSame(a: BitsAndBytesLayout, b: BitsAndBytesLayout): boolean {
  const text = (layout: BitsAndBytesLayout): string =>
    partsOf(layout)
      .map(({ suffix, encoding, shape }) => `${suffix} ${encoding} ${shape.join()}`)
      .join();
  if (a.kind === "int8" || b.kind === "int8") return a.kind === b.kind && text(a) === text(b);
  return isSameState(a, b) && text(a) === text(b);
}

function encoderOf(layout: PlainLayout): WeightEncoder {
  const own = parseLayout(layoutSchema, layout, "bitsandbytes");
  const parts = bitsAndBytesCodec.parts(own);
  return {
    parts,
    requirement: undefined,
    rowMultiple: own.kind === "int8" ? 1 : blockRows(own),
    floats: floatsOf(own),
    fromView() {
      throw new UsageError("The codes of NF4 are chosen from floats, and a view was given.");
    },
    open: (bytes) => bitsAndBytesCodec.open(own, bytes),
  };
}

function floatsOf(layout: BitsAndBytesLayout): WeightEncoder["floats"] {
  if (layout.kind !== "nf4") {
    return {
      kind: "whole",
      pack() {
        throw new UsageError(`Floats are not packed as ${layout.kind}; they are packed as nf4.`);
      },
    };
  }
  if (layout.nestedBlockSize === 0) {
    return { kind: "rows", pack: (values, rowStart, bytes) => packNf4Rows(layout, values, rowStart, bytes) };
  }
  return {
    kind: "whole",
    pack(values) {
      const bytes = allocateParts(partsOf(layout));
      packNf4Whole(layout, values, bytes);
      return bytes;
    },
  };
}
