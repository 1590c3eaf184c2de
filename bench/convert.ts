/** Whole conversions: the requant command and llama.cpp's own function, each in a process of its own. */

import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { againstNative } from "./against-native.ts";
import { childPath, nodeUsage } from "./child-process.ts";
import type { LlamaShape } from "./llama-shape.ts";
import { makeImportance } from "./make-importance.ts";
import { makeModel } from "./make-model.ts";
import type { ImportanceFiles } from "./native-run.ts";
import { measureProcesses, type ProcessContender, removeOutputs, threadWords } from "./processes.ts";
import type { Measurement, PartName } from "./results.ts";
import { command } from "./start-up.ts";

export interface ConvertOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

interface Target {
  readonly name: string;
  readonly to: string;
  /** llama.cpp's number of this file type. */
  readonly fileType: number;
  /** One type for all tensors. */
  readonly pure?: boolean;
}

const targets: readonly Target[] = [
  { name: "Q4_K_M", to: "q4_k_m", fileType: 15 },
  { name: "Q8_0", to: "q8_0", fileType: 7 },
  { name: "Q4_0", to: "q4_0", fileType: 2 },
  { name: "Q4_0 --pure", to: "q4_0", fileType: 2, pure: true },
];

/** With an importance matrix. */
const importanceTargets: readonly Target[] = [
  { name: "IQ4_XS", to: "iq4_xs", fileType: 30 },
  { name: "IQ3_S", to: "iq3_s", fileType: 26 },
  { name: "IQ2_XS", to: "iq2_xs", fileType: 20 },
];

const width = 2048;
const feedForward = 5632;
const keyValueWidth = 512;
const vocabularySize = 32_000;

/** The number of layers that comes nearest to the size. */
export function layersFor(gigabytes: number, words: number = vocabularySize): number {
  const layer = 2 * width * width + 2 * width * keyValueWidth + 3 * width * feedForward;
  return Math.max(1, Math.round((gigabytes * 5e8 - 2 * words * width) / layer));
}

export function modelShape(layers: number, words: number = vocabularySize): LlamaShape {
  return { layers, width, feedForward, heads: 32, keyValueHeads: 8, vocabularySize: words };
}

/** A small model with fewer words: llama.cpp's searches for codes take their time. */
function smallShape(gigabytes: number): LlamaShape {
  const small = { width: 1024, feedForward: 2816, heads: 16, keyValueHeads: 4, vocabularySize: 8192 };
  const layer = 2 * 1024 * 1024 + 2 * 1024 * 256 + 3 * 1024 * 2816;
  return { ...small, layers: Math.max(1, Math.round((gigabytes * 5e8 - 2 * 8192 * 1024) / layer)) };
}

export async function* measureConvert(
  folder: string,
  options: ConvertOptions,
): AsyncGenerator<Measurement[]> {
  const input = join(folder, "model-f16.gguf");
  await makeModel(input, modelShape(layersFor(options.gigabytes)), { tokens: vocabularySize, merges: 1000 });
  for (const target of targets) yield await measureTarget("convert", target, input, options);
  await rm(input);
}

export async function* measureImportance(
  folder: string,
  options: ConvertOptions,
): AsyncGenerator<Measurement[]> {
  const input = join(folder, "small-f16.gguf");
  const shape = smallShape(options.gigabytes);
  await makeModel(input, shape, { tokens: shape.vocabularySize, merges: 1000 });
  const importance = await makeImportance(folder, shape);
  for (const target of importanceTargets) {
    const given = { ...options, importance };
    yield await measureTarget("importance", target, input, given);
  }
  await rm(input);
  for (const path of Object.values(importance)) await rm(path);
}

interface TargetOptions extends ConvertOptions {
  readonly importance?: ImportanceFiles & { readonly imatrix: string };
}

async function measureTarget(
  part: PartName,
  target: Target,
  input: string,
  { threads, rounds, importance }: TargetOptions,
): Promise<Measurement[]> {
  const { name, to, fileType, pure = false } = target;
  const { size: bytes } = await stat(input);
  const output = (contender: string): string => `${input}-${contender}.gguf`;
  const convert = (path: string, ...more: string[]) =>
    nodeUsage(command, [
      ...["convert", input, path, "--to", `gguf:${to}`, "--overwrite", "--jobs", String(threads)],
      ...(pure ? ["--pure"] : []),
      ...(importance === undefined ? [] : ["--imatrix", importance.imatrix]),
      ...more,
    ]);
  const written = await writtenBy(convert, output("size"));
  const { contenders: quantizers, same } = againstNative({
    output,
    job: { input, fileType, threads, pure, ...(importance === undefined ? {} : { importance }) },
    convert,
  });
  const contenders: readonly ProcessContender[] = [
    ...quantizers,
    readAndWrite(output("bytes"), written, [input]),
  ];
  const measured = await measureProcesses(
    {
      part,
      task: `${name}, ${threadWords(threads)}`,
      bytes,
      rounds,
      repeatShort: true,
      same,
    },
    contenders,
  );
  await removeOutputs(contenders);
  return measured;
}

/** The bytes of an output, made once and removed. */
export async function writtenBy(convert: (path: string) => Promise<unknown>, path: string): Promise<number> {
  await convert(path);
  const { size } = await stat(path);
  await rm(path);
  return size;
}

/** A program that reads as many bytes and writes as many, and computes nothing. */
export function readAndWrite(
  output: string,
  byteLength: number,
  inputs: readonly string[],
): ProcessContender {
  const run = () => nodeUsage(childPath("read-write.mjs"), [output, String(byteLength), ...inputs]);
  return { name: "read and write", output, run };
}
