/** Opens a weight of four-bit floats; its tensors tell everything. */
import { type OpenableWeight, openableWeight, readFloats } from "@requant/core/format";
import { exactFloatTypes } from "@requant/core/numeric";
import { float4Codec } from "./float4.ts";
import type { ModuleContext } from "./module-context.ts";
import { claimFindings } from "./settings.ts";
import { refuseZeroPoints } from "./zero-points.ts";

/** @throws FormatError when parts are missing or contradict each other; UnsupportedError for zero points that are not 0 */
export async function openFloat4(context: ModuleContext): Promise<OpenableWeight> {
  const { parts, place } = context;
  await refuseZeroPoints(context);
  const layout = float4Codec.readLayout(parts, undefined, place);
  const isMx = layout.scale === "E8M0";
  const usual = isMx ? 32 : 16;
  const inputScale = isMx ? undefined : await inputScaleOf(context);
  // GGUF holds that one
  const leftOver = context.leftOver.filter(({ suffix }) => isMx || suffix !== INPUT_SCALE);
  const name = isMx ? "CT-mxfp4" : "CT-nvfp4";
  const label = layout.groupSize === usual ? name : `${name}-${layout.groupSize}g`;
  return openableWeight(float4Codec, layout, label, place, (bytes) => {
    const { facts, noView } = float4Codec.examine(layout, bytes, place);
    const tensorScale = float4Codec.tensorScale(layout, bytes, place);
    return {
      layout,
      facts,
      noView,
      tensorScale: tensorScale === undefined ? undefined : { ...tensorScale, inputScale },
      exactIn: exactFloatTypes(float4Codec.scales(layout, bytes, place), "E2M1"),
      settings: {
        bits: "4",
        groupSize: layout.groupSize,
        symmetric: true,
        actOrder: undefined,
        variant: isMx ? "mxfp4-pack-quantized" : "nvfp4-pack-quantized",
      },
      findings: claimFindings({ ...context, leftOver }, { bits: 4, symmetric: true }),
    };
  });
}

const INPUT_SCALE = "input_global_scale";

/** What activations are multiplied by, as ModelOpt and GGUF store it: the reciprocal of what is stored here. */
async function inputScaleOf({ leftOver, hints }: ModuleContext): Promise<number | undefined> {
  const part = leftOver.find(({ suffix }) => suffix === INPUT_SCALE);
  if (part?.encoding !== "F32" || part.byteLength !== 4) return undefined;
  const [stored = 0] = readFloats(await hints.read(part), "F32");
  const scale = Math.fround(1 / stored);
  return Number.isFinite(scale) ? scale : undefined;
}
