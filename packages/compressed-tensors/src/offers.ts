/** Layouts that the target offers for a weight, the best first. */
import {
  groupCountOf,
  groupWord,
  keepsOwnGroups,
  type LayoutOffer,
  type PlainLayout,
  type ScaleEncoding,
  scaleType,
  type TargetSettings,
  type WeightRequest,
} from "@requant/core/format";
import type { Misfit, ViewFacts } from "@requant/core/view";
import { encoderOf } from "./encoders.ts";
import type { CompressedTensorsLayout } from "./layout.ts";
import { compressedTensorsCodec } from "./packed-int.ts";
import { SCHEMES, type SchemeName } from "./schemes.ts";

/** Integers of 2 to 8 bits, packed: what today's versions write. */
type PackedIntLayout = Omit<CompressedTensorsLayout, "packing" | "zeros" | "shape" | "groupIndex">;

export function offersOf(request: WeightRequest, settings: TargetSettings): readonly LayoutOffer[] | Misfit {
  const scheme = schemeOf(settings);
  return scheme === undefined ? packedIntOffers(request, settings) : schemeOffers(request, scheme);
}

/** The scheme that a word names; undefined for packed integers. */
export function schemeOf(settings: TargetSettings): SchemeName | undefined {
  const { scheme } = settings;
  return typeof scheme === "string" && Object.hasOwn(SCHEMES, scheme) ? (scheme as SchemeName) : undefined;
}

function packedIntOffers(
  { rows, columns, views, floats }: WeightRequest,
  settings: TargetSettings,
): readonly LayoutOffer[] | Misfit {
  const bits = Number(settings["bits"]);
  const groupSize = Number(settings["groupSize"]);
  const base: PackedIntLayout = {
    rows,
    columns,
    bits,
    groupSize,
    groupCount: groupCountOf(columns, groupSize),
    symmetric: settings["sym"] === true,
    // readers turn scales into the model's own type: F16 scales would be rounded in a BF16 model
    scale: floats === "BF16" ? "BF16" : scaleType(views),
    grouping: "sequential",
  };
  if (groupSize > 0 && columns > groupSize && columns % groupSize !== 0) {
    return { reason: `${columns} columns are not whole groups of ${groupSize}, which vLLM needs` };
  }
  const offer = (layout: PackedIntLayout): LayoutOffer => ({
    layout: { ...layout },
    label: `CT-${bits}bit-${groupWord(groupSize, columns)}`,
    requirement: compressedTensorsCodec.requirement(layout),
  });
  const [view, ...others] = views;
  return view !== undefined && others.length === 0 && keepsOwnGroups(view)
    ? [offer(base), offer({ ...base, grouping: "any", groupCount: view.groupCount })]
    : [offer(base)];
}

const LABELS: Readonly<Record<SchemeName, string>> = {
  w8a8: "CT-int8-colg",
  "fp8-channel": "CT-fp8-colg",
  "fp8-block": "CT-fp8-block-128x128",
  nvfp4: "CT-nvfp4",
  mxfp4: "CT-mxfp4",
};

function schemeOffers(request: WeightRequest, name: SchemeName): readonly LayoutOffer[] | Misfit {
  const { rows, columns, views, floats } = request;
  const { columnMultiple, weights } = SCHEMES[name];
  if (columns % columnMultiple !== 0) {
    return { reason: `${columns} columns are not whole groups of ${columnMultiple}, which ${name} has` };
  }
  const scale = floats ?? viewScale(views);
  const size = { rows, columns };
  const perRow = { scaleShape: "groups", blockRows: 1, blockColumns: columns } as const;
  // a weight that was read as floats is computed in its own type, as the library computes it
  const arithmetic = floats === undefined ? {} : { arithmetic: floats };
  const layouts: Readonly<Record<SchemeName, PlainLayout>> = {
    w8a8: {
      kind: "int8",
      ...size,
      ...perRow,
      scale,
      symmetric: true,
      grouping: "sequential",
      ...arithmetic,
    },
    "fp8-channel": { kind: "float8", ...size, ...perRow, scale, ...arithmetic },
    "fp8-block": {
      kind: "float8",
      ...size,
      scaleShape: "blocks",
      blockRows: 128,
      blockColumns: 128,
      scale,
      ...arithmetic,
    },
    nvfp4: { kind: "float4", ...size, groupSize: 16, scale: "E4M3", global: "one", ...arithmetic },
    mxfp4: { kind: "float4", ...size, groupSize: 32, scale: "E8M0", ...arithmetic },
  };
  const layout = layouts[name];
  const { requirement } = encoderOf(layout);
  return [{ layout, label: LABELS[name], requirement: weights.symmetric ? requirement : undefined }];
}

/** Most models are BF16, and their readers turn scales into that type. */
function viewScale(views: readonly ViewFacts[]): ScaleEncoding {
  return views.length === 0 || views.every(({ scalesAreBfloat }) => scalesAreBfloat)
    ? "BF16"
    : scaleType(views);
}
