/** Opening the header of a file with a large vocabulary. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { childPath, outputOf } from "./child-process.ts";
import { findGgufPy } from "./machine.ts";
import { makeModel } from "./make-model.ts";
import { type Measurement, spread } from "./results.ts";

/** Nearly all of the file is its header: tokens and merges in Llama 3's proportion. */
const WORDS = { tokens: 150_000, merges: 260_000 };

/** In one process: the first opening, and later ones, after the engine has compiled the code. */
const OPENINGS = 6;

interface Reader {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export async function measureHeader(folder: string, rounds: number): Promise<Measurement[]> {
  const path = join(folder, "header.gguf");
  await makeModel(
    path,
    { layers: 32, width: 32, feedForward: 64, heads: 1, keyValueHeads: 1, vocabularySize: 32 },
    WORDS,
  );
  const { size } = await stat(path);
  const ggufPy = findGgufPy();
  const readers: Reader[] = [
    ...["@huggingface/gguf", "requant", "requant, all values", "bytes only"].map((name) => ({
      name,
      command: process.execPath,
      args: [childPath("open-header.mjs"), name, path, String(OPENINGS)],
    })),
    ...(ggufPy === undefined
      ? []
      : [
          {
            name: "gguf-py",
            command: ggufPy.python,
            args: [childPath("open_header.py"), path, "2"],
          },
        ]),
  ];
  const runs = readers.map((reader) => ({ reader, first: [] as Run[], later: [] as Run[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { reader, first, later } of runs) {
      const [cold, ...warm]: Run[] = JSON.parse(await outputOf(reader.command, reader.args));
      if (cold !== undefined) first.push(cold);
      for (const run of warm) later.push(run);
    }
  }
  return runs.flatMap(({ reader, first, later }) => [
    measurement("first in a process", reader.name, first, size),
    measurement("again", reader.name, later, size),
  ]);
}

interface Run {
  readonly wall: number;
  readonly cpu: number;
}

function measurement(task: string, contender: string, runs: readonly Run[], bytes: number): Measurement {
  return {
    part: "header",
    task,
    contender,
    samples: runs.length,
    wallSeconds: spread(runs.map(({ wall }) => wall)),
    cpuSeconds: spread(runs.map(({ cpu }) => cpu)),
    bytes,
  };
}
