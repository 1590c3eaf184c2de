/** Test support: the vectors of this package, and those of the golden set. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { FormatVector } from "@requant/core/testing";
import { readTensors, type StoredTensor, vectorFolder } from "../../../fixtures/linear-cases.ts";

export const folder: string = vectorFolder(import.meta.url);

/** A case of the manifest. */
export interface Case {
  readonly file: string;
  readonly shape: readonly number[];
  /** Of the values as f32, with −0 for the code of −0. */
  readonly ownSha256: string;
}

/** All cases of this package. */
export function ownCases(): Case[] {
  const { cases } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { cases: Case[] };
  return cases;
}

/** Cases of the golden set in one of its folders; none where REQUANT_GOLDEN is not set. */
export function goldenCases(kind: "nvfp4" | "mxfp4"): (Case & { readonly path: string })[] {
  const root = process.env["REQUANT_GOLDEN"];
  const path = root === undefined ? undefined : join(root, "neighbours", "manifest.json");
  if (root === undefined || path === undefined || !existsSync(path)) return [];
  const { cases } = JSON.parse(readFileSync(path, "utf8")) as {
    cases: {
      file: string;
      format: string;
      logical_shape: number[];
      ref: { sha256_f32: string };
      ref_own_f32?: { sha256: string };
    }[];
  };
  return cases
    .filter(({ file, format }) => file.startsWith(`${kind}/`) && !format.endsWith("/fp8"))
    .map((one) => ({
      file: one.file,
      path: join(root, "neighbours", one.file),
      shape: one.logical_shape,
      ownSha256: one.ref_own_f32?.sha256 ?? one.ref.sha256_f32,
    }));
}

/** A case as a vector of the conformance suite. `parts` names the tensor of each suffix. */
export function vectorOf(
  { file, shape, ownSha256 }: Case,
  path: string,
  parts: Readonly<Record<string, string>>,
): FormatVector {
  const tensors = readTensors(path);
  const found = Object.entries(parts).map(([suffix, name]): [string, StoredTensor] => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`${file} has no tensor ${name}`);
    return [suffix, tensor];
  });
  const columns = shape.at(-1) ?? 0;
  return {
    name: file,
    parts: found.map(([suffix, { encoding, shape: own }]) => ({ suffix, encoding, shape: own })),
    bytes: Object.fromEntries(found.map(([suffix, { bytes }]) => [suffix, bytes])),
    expected: {
      rows: shape.slice(0, -1).reduce((product, size) => product * size, 1),
      columns,
      valuesSha256: ownSha256,
    },
  };
}

export const MODELOPT_PARTS = {
  weight: "weight",
  weight_scale: "weight_scale",
  weight_scale_2: "weight_scale_2",
} as const;

export const GPT_OSS_PARTS = {
  blocks: "mlp.experts.gate_up_proj_blocks",
  scales: "mlp.experts.gate_up_proj_scales",
} as const;
