import type { ErrorPlace, Finding } from "@requant/core";
import { findPart, type PartBytes, packedFinding, partBytes, readWords } from "@requant/core/format";
import { groupSizeOf, type ViewFacts } from "@requant/core/view";
import { fieldsOf, type GptqLayout, gptqCodec, storedGroups, wordBitsOf } from "./codec.ts";
import type { GptqConfig } from "./config.ts";
import { findZeros, type ZeroStorage } from "./zeros.ts";

/** What the stored tensors show, next to what the configuration claims. */
export interface GptqExamination {
  /** The layout to read with: corrected where the tensors prove the configuration wrong. */
  readonly layout: GptqLayout;
  /**
   * "none": no g_idx, or a g_idx of consecutive groups; "trivial": all columns share one group, whatever desc_act claims;
   * "real": columns are spread over groups.
   */
  readonly actOrder: "none" | "trivial" | "real";
  /** Columns per group where groups are consecutive. */
  readonly groupSize: number | undefined;
  /** What the zero points show: "v1" or "v2" only when every zero point is that convention's symmetric zero point. */
  readonly zeroConvention: "v1" | "v2" | "either";
  readonly symmetric: boolean;
  /** Zero-point fields of all ones under v1: readers disagree about them. */
  readonly ambiguousZeros: number;
  /** Disagreements and doubts. */
  readonly findings: readonly Finding[];
  readonly facts: ViewFacts;
}

/**
 * Examines a weight's small parts. Tensors decide over claims: symmetric weights whose zero points all belong to the
 * other convention are read by that convention. Every other disagreement is reported.
 * @throws FormatError as `gptqCodec.measure`
 */
export function examineGptq(
  layout: GptqLayout,
  bytes: PartBytes,
  config: GptqConfig,
  place: ErrorPlace = {},
): GptqExamination {
  const findings: Finding[] = [];
  const { columns, groupCount, rows, bits } = layout;
  const part = (suffix: string): Uint8Array =>
    partBytes(bytes, findPart(gptqCodec.parts(layout), suffix, place), place);

  const zeros =
    layout.hasZeros === false
      ? { convention: undefined, allOnes: 0, count: 0 }
      : findZeros(fieldsOf(layout), readWords(part("qzeros"), wordBitsOf(layout)), groupCount, rows);
  let settled = layout;
  const claimed = layout.zeros === "stored" ? "v2" : "v1";
  if (config.sym && zeros.convention !== undefined && zeros.convention !== claimed) {
    const storage: ZeroStorage = zeros.convention === "v2" ? "stored" : "minus-one";
    settled = { ...layout, zeros: storage };
    findings.push(
      packedFinding(
        `The configuration says checkpoint_format "${config.checkpointFormat}", but all zero points are those of symmetric ${zeros.convention} files; they are read as ${zeros.convention}.`,
      ),
    );
  }
  const ambiguous = settled.zeros === "stored" ? 0 : zeros.allOnes;
  if (ambiguous > 0) {
    const read: Record<ZeroStorage, string> = {
      stored: "",
      "minus-one": `${2 ** bits}, as AutoGPTQ and exllamav2 read them`,
      "minus-one-word": "0 with a carry into the next field, as GPTQModel, which wrote them, reads them",
      "minus-one-wrapped": "0, as GPTQModel, which wrote them, reads them",
    };
    findings.push(
      packedFinding(
        `${ambiguous} of ${zeros.count} zero points are stored as all ones, which readers of v1 files understand differently; they are read as ${read[settled.zeros]}.`,
      ),
    );
  }

  const facts = gptqCodec.measure(settled, bytes, place);
  if (config.sym && !facts.symmetric) {
    findings.push(
      packedFinding(
        `The configuration says symmetric, but zero points reach ${facts.minZero}…${facts.maxZero}, and are read so; vLLM takes no notice of them and reads all as ${2 ** (bits - 1)}.`,
      ),
    );
  }
  const groups = layout.hasGroupIndex ? storedGroups(layout, bytes, place) : undefined;
  const groupSize = facts.groupSize;
  const actOrder = groups === undefined || groupSizeOf(groups) !== undefined ? "none" : "real";
  const trivial = actOrder === "none" && config.descAct && groups?.every((group) => group === 0) === true;
  if (config.bits !== bits)
    findings.push(packedFinding(`The configuration says ${config.bits} bits; the tensors hold ${bits}.`));
  const claimedSize = config.groupSize === -1 ? columns : config.groupSize;
  if (actOrder === "none" && groupSize !== undefined && Math.min(claimedSize, columns) !== groupSize) {
    findings.push(
      packedFinding(
        `The configuration says groups of ${config.groupSize}; the tensors have groups of ${groupSize}.`,
      ),
    );
  }
  if (actOrder === "real" && !config.descAct && config.actGroupAware !== true) {
    findings.push(
      packedFinding("The configuration says no act-order, but g_idx spreads columns over groups."),
    );
  }
  return {
    layout: settled,
    actOrder: trivial ? "trivial" : actOrder,
    groupSize,
    zeroConvention: zeros.convention ?? "either",
    symmetric: facts.symmetric,
    ambiguousZeros: ambiguous,
    findings,
    facts,
  };
}
