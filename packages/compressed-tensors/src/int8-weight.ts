/** Opens a weight in the format int-quantized by what its configuration claims; the tensors have the last word. */
import { groupWord, type OpenableWeight, openableWeight } from "@requant/core/format";
import { int8Codec } from "./int8.ts";
import type { ModuleContext } from "./module-context.ts";
import { claimFindings, contradictionOf } from "./settings.ts";

/** @throws FormatError when parts are missing or contradict each other */
export function openInt8(context: ModuleContext): OpenableWeight {
  const { parts, claims, place } = context;
  const layout = int8Codec.readLayout(parts, claims ?? {}, place);
  const { columns, blockColumns, symmetric, grouping } = layout;
  // codes of fewer bits are stored in a byte, too
  const bits = claims?.bits ?? 8;
  const label = `CT-int8-${groupWord(blockColumns, columns)}`;
  return openableWeight(int8Codec, layout, label, place, (bytes) => {
    const facts = int8Codec.measure(layout, bytes, place);
    return {
      layout,
      facts,
      settings: {
        bits: String(bits),
        groupSize: facts.groupSize ?? blockColumns,
        symmetric: facts.symmetric,
        actOrder: facts.groupSize === undefined ? "real" : grouping === "any" ? "trivial" : "none",
        variant: claims?.format ?? "int-quantized",
        ...contradictionOf(context, layout),
      },
      findings: claimFindings(context, { bits, symmetric }),
    };
  });
}
