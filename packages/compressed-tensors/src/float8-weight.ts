/** Opens a weight of 8-bit floats by what its configuration claims; the tensors have the last word. */
import { groupWord, type OpenableWeight, openableWeight } from "@requant/core/format";
import { exactFloatTypes } from "@requant/core/numeric";
import { type CompressedFloat8Layout, compressedFloat8Codec } from "./float8.ts";
import type { ModuleContext } from "./module-context.ts";
import { claimFindings } from "./settings.ts";
import { refuseZeroPoints } from "./zero-points.ts";

/** @throws FormatError when parts are missing or contradict each other; UnsupportedError for zero points that are not 0 */
export async function openFloat8(context: ModuleContext): Promise<OpenableWeight> {
  const { parts, claims, place } = context;
  await refuseZeroPoints(context);
  const layout = compressedFloat8Codec.readLayout(parts, claims ?? {}, place);
  const { columns, blockColumns, scale } = layout;
  const label = scale === "E8M0" ? "CT-mxfp8" : `CT-fp8-${groupsOf(layout)}`;
  return openableWeight(compressedFloat8Codec, layout, label, place, (bytes) => {
    const { facts, noView } = compressedFloat8Codec.examine(layout, bytes, place);
    return {
      layout,
      facts,
      noView,
      exactIn: exactFloatTypes(compressedFloat8Codec.scales(layout, bytes, place)),
      settings: {
        bits: "8",
        groupSize: Math.min(blockColumns, columns),
        symmetric: true,
        actOrder: undefined,
        variant: claims?.format ?? (scale === "E8M0" ? "mxfp8-quantized" : "float-quantized"),
      },
      findings: claimFindings(context, { bits: 8, symmetric: true }),
    };
  });
}

function groupsOf({ blockRows, blockColumns, rows, columns }: CompressedFloat8Layout): string {
  if (blockRows >= rows && blockColumns >= columns && rows > 1) return "tensor";
  return blockRows > 1 ? `block-${blockRows}x${blockColumns}` : groupWord(blockColumns, columns);
}
