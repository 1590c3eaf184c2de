/** Comparing two models weight by weight, and hashing the values of one. */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { childPath, nodeUsage } from "./child-process.ts";
import { layersFor, modelShape } from "./convert.ts";
import { llamaShape } from "./llama-shape.ts";
import { makeModel } from "./make-model.ts";
import { measureProcesses, type ProcessContender } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { command } from "./start-up.ts";

export interface VerifyOptions {
  readonly gigabytes: number;
  readonly rounds: number;
}

/** A program that only reads the files. */
function readOnly(inputs: readonly string[]): ProcessContender {
  return { name: "read", run: () => nodeUsage(childPath("read-write.mjs"), ["-", "0", ...inputs]) };
}

export async function* measureVerify(folder: string, options: VerifyOptions): AsyncGenerator<Measurement[]> {
  const { rounds } = options;
  const shape = modelShape(layersFor(options.gigabytes));
  const at = (name: string): string => join(folder, `verify-${name}.gguf`);
  await makeModel(at("f16"), shape, { tokens: shape.vocabularySize, merges: 1000 });
  await copyFile(at("f16"), at("copy"));
  for (const to of ["q8_0", "q4_k_m"]) {
    await nodeUsage(command, ["convert", at("f16"), at(to), "--to", `gguf:${to}`, "--no-verify"]);
  }
  // of one model: the other one's are decoded, too, and do not count
  const bytes = llamaShape(shape).tensors.reduce(
    (sum, { shape: sizes }) => sum + 4 * sizes.reduce((product, size) => product * size, 1),
    0,
  );
  for (const [task, a, b] of [
    ["verify, F16 and F16", at("f16"), at("copy")],
    ["verify, F16 and Q8_0", at("f16"), at("q8_0")],
    ["verify, F16 and Q4_K_M", at("f16"), at("q4_k_m")],
  ] as const) {
    const requant: ProcessContender = {
      name: "requant",
      workers: 0,
      run: () => nodeUsage(command, ["verify", a, b, "--tolerance", "100%"]),
    };
    yield await measureProcesses({ part: "verify", task, bytes, rounds }, [requant, readOnly([a, b])]);
  }
  for (const [task, path] of [
    ["hash --values, F16", at("f16")],
    ["hash --values, Q4_K_M", at("q4_k_m")],
  ] as const) {
    const contenders: ProcessContender[] = [
      { name: "requant", workers: 0, run: () => nodeUsage(command, ["hash", path, "--values"]) },
      { name: "SHA-256", run: () => nodeUsage(childPath("hash-bytes.mjs"), [String(bytes)]) },
      readOnly([path]),
    ];
    yield await measureProcesses({ part: "verify", task, bytes, rounds }, contenders);
  }
  for (const name of ["f16", "copy", "q8_0", "q4_k_m"]) await rm(at(name));
}
