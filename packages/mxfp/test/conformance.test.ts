import { join } from "node:path";
import { describeFormat, type FormatVector } from "@requant/core/testing";
import { mxfp4Format, nvfp4Format } from "@requant/mxfp";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { folder, GPT_OSS_PARTS, goldenCases, MODELOPT_PARTS, ownCases, vectorOf } from "./vectors.ts";

const modelOpt = {
  quant_method: "modelopt",
  quant_algo: "NVFP4",
  config_groups: {
    group_0: { weights: { num_bits: 4, type: "float", group_size: 16 }, targets: ["Linear"] },
  },
  ignore: ["lm_head"],
};

const nvfp4Vectors: readonly FormatVector[] = ownCases()
  .filter(({ file }) => file.startsWith("modelopt"))
  .map((one) => ({ ...vectorOf(one, join(folder, one.file), MODELOPT_PARTS), config: modelOpt }));

/** Scale bytes that are negative or NaN, which no tool writes: such weights are read, not written. */
const oddCodes = nvfp4Vectors.filter(({ name }) => name.includes("allcodes"));
const { target: _, ...readOnly } = nvfp4Format;

const stacks: readonly FormatVector[] = ownCases()
  .filter(({ file }) => file.startsWith("gpt-oss"))
  .map((one) => ({
    ...vectorOf(one, join(folder, one.file), GPT_OSS_PARTS),
    module: "model.layers.0.mlp.experts.gate_up_proj",
    separator: "_",
    config: { quant_method: "mxfp4", modules_to_not_convert: ["lm_head"] },
  }));

/** The same bytes under other names: codes and scales are in the same order in every store. */
function restored(stack: FormatVector, codes: Named, scales: Named): FormatVector {
  const { rows, columns } = stack.expected;
  return {
    name: `${stack.name} as ${codes.encoding} ${codes.suffix}`,
    parts: [
      { ...codes, shape: [rows, columns / 2] },
      { ...scales, shape: [rows, columns / 32] },
    ],
    bytes: Object.fromEntries([
      [codes.suffix, stack.bytes["blocks"] ?? new Uint8Array(0)],
      [scales.suffix, stack.bytes["scales"] ?? new Uint8Array(0)],
    ]),
    expected: stack.expected,
  };
}

interface Named {
  readonly suffix: string;
  readonly encoding: string;
}

const mxfp4Vectors: readonly FormatVector[] = stacks.flatMap((stack) => [
  stack,
  restored(stack, { suffix: "weight", encoding: "I8" }, { suffix: "scale", encoding: "F8_E8M0" }),
  restored(stack, { suffix: "weight", encoding: "U8" }, { suffix: "weight_scale", encoding: "U8" }),
]);

describe("NVFP4 of ModelOpt, in this package", () => {
  const written = nvfp4Vectors.filter((vector) => !oddCodes.includes(vector));
  describeFormat(nvfp4Format, written, { describe, it, countSteps });
  describeFormat(readOnly, oddCodes, { describe, it, vectorsOnly: true });
});

describe("MXFP4, in this package", () =>
  describeFormat(mxfp4Format, mxfp4Vectors, { describe, it, countSteps }));

const golden = goldenCases("nvfp4");
describe.skipIf(golden.length === 0)("the whole golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  const whole = golden.filter(({ file }) => !file.includes("allcodes"));
  const vectors = whole.map((one) => ({ ...vectorOf(one, one.path, MODELOPT_PARTS), config: modelOpt }));
  if (vectors.length > 0) describeFormat(nvfp4Format, vectors, { describe, it, vectorsOnly: true });
});
