/** The small parts of a weight: scales, biases and the global scale, as numbers of a level view and as facts. */
import { type ErrorPlace, FormatError } from "@requant/core";
import {
  type Examination,
  findPart,
  type LevelParameters,
  type PartBytes,
  partBytes,
  readFloats,
} from "@requant/core/format";
import { E2M1_VALUES, E4M3_VALUES, e8m0ToFloat, exactFloatTypes, isE4m3Scale } from "@requant/core/numeric";
import {
  type Factor,
  type Span,
  sequentialGroups,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
} from "@requant/core/view";
import { type FloatMode, floatModeOf, groupCountOf, type MlxLayout, partsOf } from "./layout.ts";

export const TABLES = { E2M1: E2M1_VALUES, E4M3: E4M3_VALUES } as const;

/** The stored number of a global scale, and 448 × 6: what it is divided by (mlx/ops.cpp, `fp_dequantize`). */
const GLOBAL_DIVISOR = 2688;

/** The bytes of a part. */
export function partOf(layout: MlxLayout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(partsOf(layout), suffix, place), place);
}

/** Everything but the codes. */
export function parametersOf(layout: MlxLayout, bytes: PartBytes, place?: ErrorPlace): LevelParameters {
  const { rows, columns } = layout;
  const span = groupSpan(layout);
  const mode = floatModeOf(layout.mode);
  const scales: Factor = { values: scalesOf(layout, bytes, place), span };
  return {
    rows,
    columns,
    levels: mode === undefined ? "integer" : TABLES[mode.table],
    factors: [scales, ...globalFactor(layout, bytes, place)],
    offset:
      mode === undefined ? { kind: "bias", values: biasesOf(layout, bytes, place), span } : { kind: "none" },
    rounding: "none",
  };
}

function groupSpan(layout: MlxLayout): Span & { readonly kind: "columns" } {
  const { columns, groupSize } = layout;
  return {
    kind: "columns",
    groupCount: groupCountOf(layout),
    groupOfColumn: sequentialGroups(columns, groupSize),
  };
}

function scalesOf(layout: MlxLayout, bytes: PartBytes, place?: ErrorPlace): Float32Array {
  const stored = partOf(layout, "scales", bytes, place);
  const { scale } = layout;
  if (scale !== "U8") return readFloats(stored, scale);
  const scales = new Float32Array(stored.length);
  if (floatModeOf(layout.mode)?.scaleType === "E4M3") {
    for (let i = 0; i < stored.length; i++) scales[i] = E4M3_VALUES[stored[i]!]!;
  } else for (let i = 0; i < stored.length; i++) scales[i] = e8m0ToFloat(stored[i]!);
  return scales;
}

function biasesOf(layout: MlxLayout, bytes: PartBytes, place?: ErrorPlace): Float32Array {
  const { scale } = layout;
  return readFloats(partOf(layout, "biases", bytes, place), scale === "U8" ? "F32" : scale);
}

function globalFactor(layout: MlxLayout, bytes: PartBytes, place?: ErrorPlace): readonly Factor[] {
  const { globalScale, rows, columns, experts = 1 } = layout;
  if (globalScale === undefined) return [];
  const stored = readFloats(partOf(layout, "global_scale", bytes, place), "F32");
  const values = stored.map((value) => value / GLOBAL_DIVISOR);
  const span: Span =
    globalScale === "tensor"
      ? { kind: "tensor" }
      : { kind: "blocks", blockRows: rows / experts, blockColumns: columns };
  return [{ values, span }];
}

/** What the small parts tell about a weight. @throws FormatError for scales or biases that are no finite numbers */
export function examineParameters(
  layout: MlxLayout,
  bytes: PartBytes,
  place: ErrorPlace = {},
): Pick<Examination, "facts" | "noView" | "exactIn"> {
  const mode = floatModeOf(layout.mode);
  if (mode === undefined) return { facts: affineFacts(layout, bytes, place) };
  const stored = scalesOf(layout, bytes, place);
  const [factor] = globalFactor(layout, bytes, place);
  const scales = factor === undefined ? stored : timesGlobal(stored, factor);
  // a byte may mean NaN, which a reader passes on to the weights
  if (!scales.every(Number.isFinite)) {
    return { facts: undefined, noView: { reason: "some of its scales are no finite numbers" } };
  }
  return {
    facts: floatFacts(layout, mode, scales, factor !== undefined, place),
    ...(factor === undefined ? { exactIn: exactFloatTypes(scales, mode.table) } : {}),
  };
}

function timesGlobal(scales: Float32Array, { values }: Factor): Float32Array {
  const each = scales.length / values.length;
  return scales.map((scale, i) => scale * values[Math.floor(i / each)]!);
}

function affineFacts(layout: MlxLayout, bytes: PartBytes, place: ErrorPlace): ViewFacts {
  const biases = biasesOf(layout, bytes, place);
  const bad = biases.findIndex((bias) => !Number.isFinite(bias));
  if (bad !== -1) {
    const groups = groupCountOf(layout);
    throw new FormatError(
      `The bias of row ${Math.floor(bad / groups)}, group ${bad % groups} is ${biases[bad]}, not a finite number.`,
      place,
    );
  }
  const maxCode = 2 ** layout.bits - 1;
  const facts = viewFacts(viewOf(layout, scalesOf(layout, bytes, place), 0), maxCode, place);
  // the same questions about the biases
  const ofBiases = viewFacts(viewOf(layout, biases, 0), maxCode, place);
  return {
    ...facts,
    symmetric: false,
    scaleBlockSize: Math.min(facts.scaleBlockSize, ofBiases.scaleBlockSize),
    zeroBlockSize: ofBiases.scaleBlockSize,
    bias: { areHalf: ofBiases.scalesAreHalf, areBfloat: ofBiases.scalesAreBfloat },
  };
}

/** Levels counted in halves are integers; E4M3's reach too far for that. */
function floatFacts(
  layout: MlxLayout,
  { table, scaleType }: FloatMode,
  scales: Float32Array,
  hasGlobal: boolean,
  place: ErrorPlace,
): ViewFacts {
  const kept = !hasGlobal && (scaleType === "E8M0" || scales.every(isE4m3Scale));
  const common = { table, ...(kept ? { scaleType } : {}) };
  if (table === "E2M1") {
    const halves = scales.map((scale) => scale / 2);
    return { ...viewFacts(viewOf(layout, halves, 12), 24, place), symmetric: true, ...common };
  }
  const most = 448 * 2 ** 9;
  return {
    ...viewFacts(viewOf(layout, scales, 0), 2 * most, place),
    ...{ minZero: most, maxZero: most, minOffset: -most, maxOffset: most, offsetsAreHalf: false },
    symmetric: true,
    ...common,
  };
}

function viewOf(layout: MlxLayout, scales: Float32Array, zero: number): ViewParameters {
  const { rows, columns } = layout;
  const { groupCount, groupOfColumn } = groupSpan(layout);
  const zeros = new Int16Array(scales.length).fill(zero);
  return { rows, columns, groupCount, groupOfColumn, scales, zeros, rounding: "none" };
}
