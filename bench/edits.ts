/** Edits that keep every weight: split, merge and `metadata set`, next to copies of the same bytes. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { childPath, nodeUsage, type Usage } from "./child-process.ts";
import { layersFor, modelShape, readAndWrite } from "./convert.ts";
import { makeModel } from "./make-model.ts";
import { measureProcesses, type ProcessContender } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { sameTensors } from "./same-tensors.ts";
import { command } from "./start-up.ts";

export interface EditOptions {
  readonly gigabytes: number;
  readonly rounds: number;
}

/** The files of the split model. */
const FILES = 5;

/** The value of the key that `metadata set` changes, in bytes. */
const VALUE = 8192;

/** What is edited: a folder that holds it alone, and its bytes. */
interface Input {
  readonly folder: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

export async function* measureEdits(folder: string, options: EditOptions): AsyncGenerator<Measurement[]> {
  const whole = join(folder, "edits");
  const model = join(whole, "model.gguf");
  await mkdir(whole);
  const shape = modelShape(layersFor(options.gigabytes));
  await makeModel(model, shape, { tokens: shape.vocabularySize, merges: 1000 });
  const { size: bytes } = await stat(model);
  const place = { folder, rounds: options.rounds };
  const each = ["--max-size", `${Math.ceil(bytes / FILES / 1e6)}MB`];
  const split = (output: string, ...more: string[]): Promise<Usage> =>
    nodeUsage(command, ["split", model, join(output, "part.gguf"), ...each, ...more]);
  const one = { folder: whole, files: [model], bytes };
  yield await measureEdit({ ...place, task: "split", input: one, edit: split });

  const parts = join(folder, "parts");
  await split(parts, "--no-verify");
  const files = (await readdir(parts)).sort().map((name) => join(parts, name));
  yield await measureEdit({
    ...place,
    task: "merge",
    input: { folder: parts, files, bytes },
    edit: (output, ...more) => nodeUsage(command, ["merge", files[0] ?? "", output, ...more]),
    isSame: (output) => sameTensors(model, output),
  });
  await rm(parts, { recursive: true });

  for (const [task, step] of [
    ["metadata set, a value of the same length", 0],
    [`metadata set, a header longer by ${VALUE} bytes`, VALUE],
  ] as const) {
    let length = VALUE;
    let round = 0;
    const set = (): Promise<Usage> => {
      length += step;
      round++;
      const value = String(round % 10).repeat(length);
      return nodeUsage(command, ["metadata", "set", model, `general.description=string:${value}`]);
    };
    await set();
    const contenders = [...copies(folder, one), { name: "requant", workers: 0, run: set }];
    const memory = { folder, byteLength: bytes };
    yield await measureProcesses(
      { part: "edits", task, bytes, rounds: options.rounds, tidy: true, memory },
      contenders,
    );
  }
  await rm(whole, { recursive: true });
}

interface Edit {
  /** For the outputs. */
  readonly folder: string;
  readonly rounds: number;
  readonly task: string;
  readonly input: Input;
  edit(output: string, ...more: string[]): Promise<Usage>;
  isSame?(output: string): Promise<boolean>;
}

/** An edit with and without reading back, beside copies of its input. */
function measureEdit({ folder, rounds, task, input, edit, isSame }: Edit): Promise<Measurement[]> {
  // a file or a folder
  const output = join(folder, "edited.gguf");
  const contenders: ProcessContender[] = [
    ...copies(folder, input),
    { name: "requant", output, workers: 0, run: () => edit(output) },
    { name: "requant --no-verify", output, workers: 0, run: () => edit(output, "--no-verify") },
  ];
  return measureProcesses(
    {
      ...{ part: "edits", task, bytes: input.bytes, rounds, tidy: true },
      memory: { folder, byteLength: input.bytes },
      same: async ({ workers }) => (workers === undefined ? undefined : isSame?.(output)),
    },
    contenders,
  );
}

/** The system's own copy, and a program that reads and writes. */
function copies(folder: string, input: Input): ProcessContender[] {
  const output = join(folder, "copied");
  return [
    { name: "copy", output, run: () => nodeUsage(childPath("copy-folder.mjs"), [input.folder, output]) },
    readAndWrite(output, input.bytes, input.files),
  ];
}
