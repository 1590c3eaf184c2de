/** Opens a weight of four-bit floats; its tensors tell everything. */
import { UnsupportedError } from "@requant/core";
import { type OpenableWeight, openableWeight } from "@requant/core/format";
import { float4Codec } from "./float4.ts";
import type { ModuleContext } from "./module-context.ts";
import { claimFindings } from "./settings.ts";

/** @throws FormatError when parts are missing or contradict each other; UnsupportedError for zero points */
export function openFloat4(context: ModuleContext): OpenableWeight {
  const { parts, place } = context;
  const zeros = parts.find(({ suffix }) => suffix === "weight_zero_point");
  if (zeros !== undefined) {
    throw new UnsupportedError("Four-bit floats with zero points (weight_zero_point) are not read.", {
      ...place,
      hint: "No tool is known to write them; take the weights from the original model.",
    });
  }
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
