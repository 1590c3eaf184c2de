/** A whole conversion: the requant command and llama.cpp's own function, each in a process of its own. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "@requant/core";
import { fileSource } from "@requant/core/node";
import { readGguf } from "@requant/gguf";
import { childPath, inTurns, nodeUsage, outputOf, type Usage } from "./child-process.ts";
import type { LlamaShape } from "./llama-shape.ts";
import { makeModel } from "./make-model.ts";
import { findNativeLlama } from "./native.ts";
import { type Measurement, spread } from "./results.ts";
import { command } from "./start-up.ts";

export interface ConvertOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

/** llama.cpp's numbers of these file types. */
const targets: Readonly<Record<string, number>> = { Q4_K_M: 15, Q8_0: 7, Q4_0: 2 };

const width = 2048;
const feedForward = 5632;
const keyValueWidth = 512;
const vocabularySize = 32_000;

/** A shorter round, in milliseconds, is repeated two more times. */
const QUICK = 10_000;

/** The number of layers that comes nearest to the size. */
export function layersFor(gigabytes: number): number {
  const layer = 2 * width * width + 2 * width * keyValueWidth + 3 * width * feedForward;
  return Math.max(1, Math.round((gigabytes * 5e8 - 2 * vocabularySize * width) / layer));
}

export function modelShape(layers: number): LlamaShape {
  return { layers, width, feedForward, heads: 32, keyValueHeads: 8, vocabularySize };
}

export async function measureConvert(folder: string, options: ConvertOptions): Promise<Measurement[]> {
  const input = join(folder, "model-f16.gguf");
  await makeModel(input, modelShape(layersFor(options.gigabytes)), { tokens: vocabularySize, merges: 1000 });
  const { size } = await stat(input);
  const native = findNativeLlama();
  const help = await outputOf(process.execPath, [command, "convert", "--help"]);
  const jobs = help.includes("--jobs") ? ["--jobs", String(options.threads)] : [];
  const threads = jobs.length > 0 ? options.threads : 1;
  const all: Measurement[] = [];
  for (const [name, fileType] of Object.entries(targets)) {
    const output = (contender: string): string => join(folder, `${contender}-${name}.gguf`);
    const contenders = [
      ...(native === undefined
        ? []
        : [
            {
              name: "native",
              output: output("native"),
              run: () =>
                nodeUsage(childPath("native-quantize.mjs"), [
                  native.folder,
                  native.ggml,
                  native.llama,
                  input,
                  output("native"),
                  String(fileType),
                  String(threads),
                ]),
            },
          ]),
      // native neither measures errors nor reads its output again; both rows here measure errors, and one reads the
      // output
      ...[
        { name: "requant", output: "requant", options: [] },
        { name: "requant --no-verify", output: "requant-unread", options: ["--no-verify"] },
      ].map((contender) => ({
        name: contender.name,
        output: output(contender.output),
        run: () =>
          nodeUsage(command, [
            "convert",
            input,
            output(contender.output),
            "--to",
            `gguf:${name.toLowerCase()}`,
            "--overwrite",
            ...contender.options,
            ...jobs,
          ]),
      })),
    ].map((contender) => ({ ...contender, usages: [] as Usage[] }));
    const start = performance.now();
    let { rounds } = options;
    for (let round = 0; round < rounds; round++) {
      for (const { run, output: made, usages } of inTurns(contenders, round)) {
        // without an old output, all contenders start alike: one truncates it first, the other keeps it until the end
        await rm(made, { force: true });
        usages.push(await run());
      }
      // in short rounds, the system's handling of half a gigabyte of memory is most of the noise
      if (round === 0 && performance.now() - start < QUICK) rounds *= 3;
    }
    for (const { name: contender, output: made, usages } of contenders) {
      const same =
        native === undefined || contender === "native"
          ? undefined
          : await sameTensors(output("native"), made);
      all.push({
        part: "convert",
        task: `${name}, ${threads === 1 ? "one thread" : `${threads} threads`}`,
        contender,
        samples: usages.length,
        wallSeconds: spread(usages.map(({ wallSeconds }) => wallSeconds)),
        cpuSeconds: spread(usages.map(({ cpuSeconds }) => cpuSeconds)),
        peakBytes: spread(usages.map(({ peakBytes }) => peakBytes)),
        bytes: size,
        ...(same === undefined ? {} : { same }),
      });
    }
    for (const { output: made } of contenders) await rm(made);
  }
  await rm(input);
  return all;
}

const PIECE = 16 * 1024 * 1024;

/** Whether two files hold the same tensors with the same bytes. */
async function sameTensors(one: string, other: string): Promise<boolean> {
  const sources = [await fileSource(one), await fileSource(other)] as const;
  try {
    const [a, b] = [await readGguf(sources[0]), await readGguf(sources[1])];
    if (a.tensors.length !== b.tensors.length) return false;
    const byName = new Map(b.tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of a.tensors) {
      const twin = byName.get(tensor.name);
      if (twin?.encoding !== tensor.encoding || twin.byteLength !== tensor.byteLength) return false;
      if (!(await sameBytes(sources, tensor.byteOffset, twin.byteOffset, tensor.byteLength))) return false;
    }
    return true;
  } finally {
    for (const source of sources) await source.close();
  }
}

async function sameBytes(
  [one, other]: readonly [ByteSource, ByteSource],
  oneStart: number,
  otherStart: number,
  byteLength: number,
): Promise<boolean> {
  for (let at = 0; at < byteLength; at += PIECE) {
    const length = Math.min(PIECE, byteLength - at);
    const [a, b] = await Promise.all([
      one.read(oneStart + at, oneStart + at + length),
      other.read(otherStart + at, otherStart + at + length),
    ]);
    if (Buffer.compare(a, b) !== 0) return false;
  }
  return true;
}
