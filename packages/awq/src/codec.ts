import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearPart,
  type PartBytes,
  partBytes,
  viewWeight,
} from "@requant/core/format";
import {
  dequantizeView,
  fittedView,
  roundingAllowed,
  sequentialGroups,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
} from "@requant/core/view";
import type { AwqVersion } from "./config.ts";
import { gemmPacking } from "./gemm.ts";
import { gemvPacking } from "./gemv.ts";
import { gemvFastPacking, llmAwqPacking } from "./gemv-fast.ts";
import { marlinPacking } from "./marlin.ts";
import type { AwqClaims, AwqLayout, AwqPacking, AwqParameters, PartOf } from "./packing.ts";

/** One line for each version; all other code looks versions up here. */
const packings: Readonly<Record<AwqVersion, AwqPacking>> = {
  gemm: gemmPacking,
  gemv: gemvPacking,
  gemv_fast: gemvFastPacking,
  "llm-awq": llmAwqPacking,
  marlin: marlinPacking,
};

/**
 * The version that the parts show: each version has its own names, encodings or shapes. Where a square weight could be
 * gemm and gemv, the claim decides.
 * @throws FormatError when the parts fit no version
 */
export function awqVersionOf(
  parts: readonly LinearPart[],
  claimed: AwqVersion,
  place: ErrorPlace = {},
): AwqVersion {
  const shape = (suffix: string): readonly number[] => findPart(parts, suffix, place).shape;
  const has = (suffix: string): boolean => parts.some((part) => part.suffix === suffix);
  if (has("scaled_zeros")) return "llm-awq";
  if (findPart(parts, "qweight", place).encoding === "I16") return "gemv_fast";
  if (!has("qzeros")) return "marlin";
  const gemm =
    shape("scales")[1] === 8 * (shape("qweight")[1] ?? 0) && shape("qzeros")[0] === shape("scales")[0];
  const gemv =
    shape("scales")[0] === shape("qweight")[0] && shape("scales")[1] === 8 * (shape("qzeros")[1] ?? 0);
  if (gemm && gemv) return claimed === "gemv" ? "gemv" : "gemm";
  if (gemm) return "gemm";
  if (gemv) return "gemv";
  throw new FormatError(
    `The parts qweight [${shape("qweight").join(", ")}], qzeros [${shape("qzeros").join(", ")}] and scales [${shape("scales").join(", ")}] do not make an AWQ weight.`,
    place,
  );
}

/** AWQ weights in every layout: AutoAWQ's gemm, gemv, gemv_fast and Marlin, and llm-awq's. */
export const awqCodec: LinearCodec<AwqLayout, AwqClaims> & LinearEncoder<AwqLayout> = {
  name: "AWQ",
  suffixes: ["qweight", "qzeros", "scales", "scaled_zeros"],
  requiredSuffixes: ["qweight", "scales"],

  readLayout(parts, claims, place = {}) {
    const layout = packings[awqVersionOf(parts, claims.version, place)].readLayout(parts, claims, place);
    packings[layout.version].parts(layout);
    return layout;
  },

  parts: (layout) => packings[layout.version].parts(layout),

  parameterSuffixes: ({ version }) => packings[version].suffixes.filter((suffix) => suffix !== "qweight"),

  measure(layout, bytes, place) {
    return factsOf(
      layout,
      packings[layout.version].readParameters(layout, partReader(layout, bytes, place)),
      place,
    );
  },

  open(layout, bytes, place) {
    const packing = packings[layout.version];
    const part = partReader(layout, bytes, place);
    const parameters = packing.readParameters(layout, part);
    factsOf(layout, parameters, place);
    const qweight = part("qweight");
    const view = viewParameters(layout, parameters);
    const nibbles = packing.readNibbles?.(layout, part);
    const weight = viewWeight(
      view,
      packing.columnMultiple === "all" ? layout.columns : packing.columnMultiple,
      (rowStart, rowEnd, codes, columnStart, columnEnd) => {
        packing.unpackCodes(layout, qweight, { rowStart, rowEnd, columnStart, columnEnd }, codes);
      },
      nibbles === undefined ? undefined : { ...nibbles, groupOfColumn: view.groupOfColumn },
    );
    const { offsets } = parameters;
    if (offsets === undefined) return weight;
    return {
      ...weight,
      dequantize(rowStart, rowEnd, out) {
        // code × scale first (exact), then the stored offset: the sum is exact in f32 as well
        const { columns, groupCount } = layout;
        const view = weight.toView(rowStart, rowEnd);
        dequantizeView({ ...view, zeros: new Int16Array(view.zeros.length) }, out);
        for (let row = rowStart, at = 0; row < rowEnd; row++) {
          for (let column = 0; column < columns; column++, at++) {
            out[at] = out[at]! + offsets[row * groupCount + view.groupOfColumn[column]!]!;
          }
        }
      },
    };
  },

  requirement({ version, groupSize, scale }) {
    const { symmetric } = packings[version];
    return {
      name: `AWQ ${version} with ${groupSize === -1 ? "one group per row" : `groups of ${groupSize}`}`,
      blockSize: groupSize,
      shortLastBlock: false,
      codes: symmetric
        ? { kind: "signed", min: -8, max: 7 }
        : { kind: "affine", maxCode: 15, minZero: 0, maxZero: 15 },
      scale,
      ...(storesOffsets(version) ? { bias: "F16" as const, wholeBias: true as const } : {}),
      roundsToHalf: scale === "F16",
    };
  },

  rowMultiple: ({ version }) => packings[version].rowMultiple,

  fromView(layout, view, rowStart, bytes) {
    const packing = packings[layout.version];
    // a bias that is not a whole multiple of its scale has no zero point in this layout
    const { bias: _, ...requirement } = roundingAllowed(awqCodec.requirement(layout));
    const fitted = fittedView(view, requirement);
    const part = partReader(layout, bytes);
    const rowEnd = rowStart + fitted.rows;
    packing.packCodes(layout, fitted.codes, rowStart, rowEnd, part("qweight"));
    packing.writeParameters(layout, fitted, rowStart, rowEnd, part);
  },
};

/** Versions that store scale × zero point, rounded to f16, in place of the zero point. */
export function storesOffsets(version: AwqVersion): boolean {
  return version === "gemv_fast" || version === "llm-awq";
}

function viewParameters(layout: AwqLayout, { scales, zeros }: AwqParameters): ViewParameters {
  const { rows, columns, groupCount, groupSize } = layout;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    scales,
    zeros,
    rounding: "none",
  };
}

function factsOf(layout: AwqLayout, parameters: AwqParameters, place?: ErrorPlace): ViewFacts {
  const facts = viewFacts(viewParameters(layout, parameters), 15, place);
  const { offsets, scales, zeros } = parameters;
  if (offsets === undefined) return facts;
  const bad = offsets.findIndex((offset) => !Number.isFinite(offset));
  if (bad !== -1)
    throw new FormatError(`The zero offset ${bad} is ${offsets[bad]}, not a finite number.`, place);
  return offsets.some((offset, i) => offset !== -(scales[i]! * zeros[i]!))
    ? { ...facts, storedOffsets: "rounded" }
    : facts;
}

function partReader(layout: AwqLayout, bytes: PartBytes, place?: ErrorPlace): PartOf {
  const parts = awqCodec.parts(layout);
  return (suffix) => partBytes(bytes, findPart(parts, suffix, place), place);
}
