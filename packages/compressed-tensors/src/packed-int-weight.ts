/** Opens a weight in the format pack-quantized by what its configuration claims; the tensors have the last word. */
import { type Finding, FormatError } from "@requant/core";
import {
  groupSizeByCount,
  groupWord,
  type ModuleHints,
  type OpenableWeight,
  openableWeight,
  packedFinding,
  readWords,
  type StoredPart,
} from "@requant/core/format";
import type { ModuleContext } from "./module-context.ts";
import { compressedTensorsCodec } from "./packed-int.ts";
import { claimFindings, contradictionOf } from "./settings.ts";

/** @throws FormatError when parts are missing or contradict each other */
export async function openPackedInt(context: ModuleContext): Promise<OpenableWeight> {
  const { parts, claims, version, hints, place } = context;
  const known = bitsByShape(parts, claims?.bits);
  // only widths that do not fill words leave the number of columns open
  const stored = known !== undefined && 32 % known === 0 ? undefined : await storedColumns(parts, hints);
  const bits = known ?? bitsByColumns(parts, stored) ?? 4;
  const claimed = { bits, groupSize: claims?.groupSize ?? -1, columns: stored, version };
  const layout = compressedTensorsCodec.readLayout(parts, claimed, place);
  if (layout.groupCount === 1 && layout.grouping === "sequential" && !hasShape(parts)) {
    throw new FormatError(
      "The part weight_shape is missing, and nothing else tells how many columns there are.",
      { ...place, hint: "Download the file again, or take it from the original model." },
    );
  }
  const { columns, groupCount } = layout;
  const size = groupSizeByCount(columns, groupCount, claims?.groupSize ?? -1);
  const label = `CT-${bits}bit-${groupWord(size, columns)}`;
  return openableWeight(compressedTensorsCodec, layout, label, place, (bytes) => {
    const facts = compressedTensorsCodec.measure(layout, bytes, place);
    const findings: Finding[] = claimFindings(context, { bits, symmetric: layout.symmetric });
    const claimedSize = claims?.groupSize === -1 ? columns : claims?.groupSize;
    if (claimedSize !== undefined && !facts.scattered && Math.min(claimedSize, columns) !== size) {
      findings.push(
        packedFinding(
          `The configuration says groups of ${claims?.groupSize}; the tensors have groups of ${size}.`,
        ),
      );
    }
    return {
      layout,
      facts,
      settings: {
        bits: String(bits),
        groupSize: facts.groupSize ?? size,
        symmetric: facts.symmetric,
        actOrder: facts.groupSize === undefined ? "real" : layout.grouping === "any" ? "trivial" : "none",
        variant: "pack-quantized",
        ...contradictionOf(context, layout),
      },
      findings,
    };
  });
}

function hasShape(parts: readonly StoredPart[]): boolean {
  return parts.some(({ suffix }) => suffix === "weight_shape");
}

/** Codes' width where the shapes alone tell it: zero points fill whole words, or every column is named; else as claimed. */
function bitsByShape(parts: readonly StoredPart[], claimed: number | undefined): number | undefined {
  const find = (suffix: string): StoredPart | undefined => parts.find((part) => part.suffix === suffix);
  const [rows, rowWords] = find("weight_packed")?.shape ?? [];
  const columns = find("weight_g_idx")?.shape[0];
  const zeros = find("weight_zero_point");
  const zeroWords = zeros?.encoding === "I32" ? zeros.shape[0] : undefined;
  if (rows === undefined || rowWords === undefined) return claimed;
  // as many of 7 bits go into loose words as of 8 bits into full ones
  if (claimed === 7 && columns === 4 * rowWords) return claimed;
  const exact = [
    columns === undefined || columns % 32 !== 0 ? undefined : (32 * rowWords) / columns,
    zeroWords === undefined || rows % 32 !== 0 ? undefined : (32 * zeroWords) / rows,
  ].find((bits) => bits !== undefined);
  return exact !== undefined && Number.isInteger(exact) && exact >= 1 && exact <= 8 ? exact : claimed;
}

/** The number of columns that weight_shape says, whose bytes must be read. */
async function storedColumns(
  parts: readonly StoredPart[],
  { read }: ModuleHints,
): Promise<number | undefined> {
  const stored = parts.find(({ suffix }) => suffix === "weight_shape");
  const step = stored?.byteLength === 16 ? 2 : 1;
  if (stored?.byteLength !== 8 * step) return undefined;
  return readWords(await read(stored), 32)[step];
}

function bitsByColumns(parts: readonly StoredPart[], columns: number | undefined): number | undefined {
  const rowWords = parts.find(({ suffix }) => suffix === "weight_packed")?.shape[1];
  if (columns === undefined) return undefined;
  return [1, 2, 3, 4, 5, 6, 7, 8].find((bits) => Math.ceil((columns * bits) / 32) === rowWords);
}
