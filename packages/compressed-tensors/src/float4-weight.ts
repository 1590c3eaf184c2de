/** Opens a weight of four-bit floats; its tensors tell everything. */
import { type OpenableWeight, openableWeight, readFloats } from "@requant/core/format";
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
  const name = isMx ? "CT-mxfp4" : "CT-nvfp4";
  const label = layout.groupSize === usual ? name : `${name}-${layout.groupSize}g`;
  const inputScale = await inputScaleOf(context);
  return openableWeight(float4Codec, layout, label, place, (bytes) => {
    const { facts, noView } = float4Codec.examine(layout, bytes, place);
    const scales = bytes["weight_scale"];
    const tensorScale = float4Codec.tensorScale(layout, bytes, place);
    return {
      layout,
      facts,
      noView,
      tensorScale: tensorScale === undefined ? undefined : { ...tensorScale, inputScale },
      // two bits of fraction and a power of two
      exactIn: isMx && scales?.every((byte) => byte <= 252) === true ? ["BF16"] : [],
      settings: {
        bits: "4",
        groupSize: layout.groupSize,
        symmetric: true,
        actOrder: undefined,
        variant: isMx ? "mxfp4-pack-quantized" : "nvfp4-pack-quantized",
      },
      findings: claimFindings(context, { bits: 4, symmetric: true }),
    };
  });
}

/** What the activations are multiplied by, where llama.cpp's converter stores it: the reciprocal of what divides them. */
async function inputScaleOf({ activations, hints }: ModuleContext): Promise<number | undefined> {
  const part = activations.find(({ suffix }) => suffix === "input_global_scale");
  if (part?.encoding !== "F32" || part.byteLength !== 4) return undefined;
  const [global] = readFloats(await hints.read(part), "F32");
  const scale = global === undefined ? Number.NaN : Math.fround(1 / global);
  return Number.isFinite(scale) ? scale : undefined;
}
