/** MLX as a source: how its weights are found among all tensors, and opened. */
import type { ErrorPlace, Finding } from "@requant/core";
import {
  findBySuffixes,
  type LinearPart,
  type LinearReader,
  type MeasuredSettings,
  openableWeight,
  type PackedSource,
  packedFinding,
} from "@requant/core/format";
import { mlxCodec } from "./codec.ts";
import { parseMlxConfig } from "./config.ts";
import type { MlxClaims, MlxLayout } from "./layout.ts";
import { mlxMethod } from "./methods.ts";
import { examineParameters } from "./parameters.ts";

/** Keys of the settings of a model or of one module. */
const SETTINGS: readonly string[] = ["bits", "group_size", "mode"];

/** MLX as a source. */
export const mlxSource: PackedSource = {
  name: "mlx",
  // mlx-lm, which doctor does not know
  runtimes: {},
  methods: [mlxMethod],
  configKeys: SETTINGS,
  moduleKeys: true,
  innerKeys: { "*": SETTINGS },
  find: (tensors) => findBySuffixes(tensors, mlxCodec.suffixes, isMlx),
  reader: mlxReader,
};

/** Other formats have "scales" beside words with a name of their own, or scales of another name beside a weight of bytes. */
function isMlx(parts: readonly LinearPart[]): boolean {
  const has = (part: string, encoding: RegExp): boolean =>
    parts.some((own) => own.suffix === part && encoding.test(own.encoding));
  return has("weight", /^U32$/) && (has("scales", /^U8$/) || (has("scales", /./) && has("biases", /./)));
}

function mlxReader(json: unknown, _hints: unknown, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseMlxConfig(json, place);
  // where single modules have settings of their own, no number describes the model
  const common = config?.modules.size === 0 ? config : undefined;
  return {
    claims: { bits: common?.bits, groupSize: common?.groupSize, variant: common?.mode },
    // a layer is quantized exactly where its scales are
    claimsModule: () => true,
    openable(module, parts, at) {
      const claims: MlxClaims = config?.modules.get(module) ?? config ?? {};
      const layout = mlxCodec.readLayout(parts, claims, at);
      const weight = openableWeight(mlxCodec, layout, labelOf(layout), at, (bytes) => ({
        layout,
        ...examineParameters(layout, bytes, at),
        settings: settingsOf(layout),
        findings: findingsOf(layout, claims),
      }));
      return layout.experts === undefined ? weight : { ...weight, leading: [layout.experts] };
    },
  };
}

/** "MLX-4bit-64g", "MLX-MXFP4". */
export function labelOf({ mode, bits, groupSize }: Pick<MlxLayout, "mode" | "bits" | "groupSize">): string {
  return mode === "affine" ? `MLX-${bits}bit-${groupSize}g` : `MLX-${mode.toUpperCase()}`;
}

function settingsOf({ mode, bits, groupSize }: MlxLayout): MeasuredSettings {
  return {
    bits: String(bits),
    groupSize,
    symmetric: mode !== "affine",
    actOrder: undefined,
    variant: mode,
  };
}

/** The tensors decide; bits and group size were compared with the claims when the layout was read. */
function findingsOf({ mode, bits, groupSize }: MlxLayout, claims: MlxClaims): Finding[] {
  const differing = (
    [
      ["mode", claims.mode, mode],
      ["bits", claims.bits, bits],
      ["group_size", claims.groupSize, groupSize],
    ] as const
  ).filter(([, claimed, found]) => claimed !== undefined && claimed !== found);
  return differing.map(([key, claimed, found]) =>
    packedFinding(`The configuration says ${key} ${claimed}; the tensors have ${found}.`),
  );
}
