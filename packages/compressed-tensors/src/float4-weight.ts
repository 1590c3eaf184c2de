/** Opens a weight of four-bit floats; its tensors tell everything. */
import { type OpenableWeight, openableWeight } from "@requant/core/format";
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
  return openableWeight(float4Codec, layout, label, place, (bytes) => {
    const { facts, noView } = float4Codec.examine(layout, bytes, place);
    const scales = bytes["weight_scale"];
    return {
      layout,
      facts,
      noView,
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
