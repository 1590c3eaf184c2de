import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describeFormat, type FormatVector } from "@requant/core/testing";
import { float8Format } from "@requant/float8";
import { describe, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { readTensors, vectorFolder } from "../../../fixtures/linear-cases.ts";

/** A layer as the tools' manifest describes it. */
interface Case {
  readonly file: string;
  readonly format: string;
  readonly logical_shape: readonly [number, number];
  readonly block?: readonly [number, number];
  readonly quantization_config: unknown;
  readonly ref: { readonly sha256_f32: string };
}

function casesOf(folder: string, isOurs: (one: Case) => boolean): FormatVector[] {
  const { cases } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { cases: Case[] };
  return cases.filter(isOurs).map((one) => {
    const { file, logical_shape, block, quantization_config, ref } = one;
    const [rows, columns] = logical_shape;
    const tensors = [...readTensors(join(folder, file))].filter(([name]) => name !== "input_scale");
    return {
      name: file,
      config: quantization_config,
      parts: tensors.map(([suffix, { encoding, shape }]) => ({ suffix, encoding, shape })),
      bytes: Object.fromEntries(tensors.map(([suffix, { bytes }]) => [suffix, bytes])),
      expected: {
        rows,
        columns,
        valuesSha256: ref.sha256_f32,
        layout: block === undefined ? {} : { blockRows: block[0], blockColumns: block[1] },
      },
    };
  });
}

describe("FP8 layers of several tools, in this package", () =>
  describeFormat(
    float8Format,
    casesOf(vectorFolder(import.meta.url), () => true),
    {
      describe,
      it,
      countSteps,
    },
  ));

const root = process.env["REQUANT_GOLDEN"];
const golden = root === undefined ? undefined : join(root, "neighbours");
describe.skipIf(golden === undefined || !existsSync(golden))(
  "the whole golden set (skipped: REQUANT_GOLDEN is not set)",
  () => {
    if (golden === undefined || !existsSync(golden)) return;
    const isOurs = ({ file, format }: Case): boolean =>
      (file.startsWith("fp8/") && !file.includes("allcodes")) || format === "modelopt/fp8";
    describeFormat(float8Format, casesOf(golden, isOurs), { describe, it, vectorsOnly: true });
  },
);
