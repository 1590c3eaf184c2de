/** A made-up importance matrix for a made-up llama: columns differ as much as those of real models. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileSink, fileSource } from "@requant/core/node";
import { imatrixWeights, readImatrix, writeImatrix } from "@requant/gguf";
import { type LlamaShape, llamaShape } from "./llama-shape.ts";
import type { ImportanceFiles } from "./native-run.ts";
import { randomNumbers } from "./random.ts";

/** Written as requant and llama-quantize read it, and with the same numbers as the child process for llama.cpp reads it. */
export async function makeImportance(
  folder: string,
  shape: LlamaShape,
): Promise<ImportanceFiles & { readonly imatrix: string }> {
  const random = randomNumbers(5);
  const layers = llamaShape(shape).tensors.filter(
    ({ name, encoding }) => name.startsWith("blk.") && encoding === "F16",
  );
  const entries = layers.map(({ name, shape: sizes }) => {
    const sums = Float32Array.from({ length: sizes.at(-1) ?? 0 }, () => 512 * Math.exp(4 * random() - 2));
    return [name, { sums, counts: [512] }] as const;
  });
  const imatrix = join(folder, "imatrix.gguf");
  const sink = await fileSink(imatrix, { overwrite: true });
  const all = new Map(entries);
  await writeImatrix(sink, {
    form: "gguf",
    entries: all,
    datasets: ["made-up"],
    chunkCount: 1,
    chunkSize: 512,
  });
  await sink.close();

  const source = await fileSource(imatrix);
  const weights = imatrixWeights(await readImatrix(source));
  await source.close();
  let start = 0;
  const index = [...weights].map(([name, { length }]) => {
    const row = { name, start, length };
    start += length;
    return row;
  });
  const data = new Float32Array(start);
  for (const { name, start: at } of index) data.set(weights.get(name) ?? [], at);
  const files = { index: join(folder, "importance.json"), data: join(folder, "importance.f32"), imatrix };
  await writeFile(files.index, JSON.stringify(index));
  await writeFile(files.data, data);
  return files;
}
