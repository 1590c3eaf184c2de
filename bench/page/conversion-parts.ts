/** Sections about whole conversions. */
import type { Measurement, Results, Run, Spread } from "../results.ts";
import {
  contenderRows,
  digits,
  firstOf,
  megabytes,
  ratio,
  sameness,
  type Tasks,
  table,
  tasksOf,
  times,
  useCells,
  useHeads,
} from "./cells.ts";
import { machinePart } from "./machine-line.ts";

const READ_AND_WRITE = `"read and write" reads the same bytes in bands, writes as many bytes as the output has, and computes nothing: what the machine allows to one thread.`;

function nativeTable(tasks: Tasks): string {
  return table(
    ["", ...useHeads, "native ÷ requant", "same tensors"],
    contenderRows(tasks, (measurement, measured) => [
      ...useCells(measurement),
      measurement.contender.startsWith("requant")
        ? ratio(measurement.cpuSeconds, measured.get("native")?.cpuSeconds)
        : "",
      sameness([measurement]),
    ]),
  );
}

function inputGigabytes(tasks: Tasks): string {
  return ((firstOf(tasks)?.bytes ?? 0) / 1e9).toFixed(2);
}

export function convertPart(results: Results): string {
  const tasks = tasksOf(results, "convert");
  return `## Whole conversions

A made-up llama of ${inputGigabytes(tasks)} GB in F16 to the types below: \`requant convert\` and \`llama_model_quantize\`, each in a process of its own, the start of Node included in both. By default requant measures the error of every weight and reads its output again; with \`--no-verify\` it only measures. llama.cpp does neither. Each is first in turn and finds no old output, because a program also pays for what the one before it left in memory and on its way to the disk. Processor time is that of all threads. llama.cpp maps the input into memory, and what it has touched of it counts as resident. ${READ_AND_WRITE}

${nativeTable(tasks)}`;
}

export function importancePart(results: Results): string {
  const tasks = tasksOf(results, "importance");
  return `## With an importance matrix

The same for a model of ${inputGigabytes(tasks)} GB and a made-up importance matrix, which both sides read; llama.cpp gets the same numbers.

${nativeTable(tasks)}`;
}

/** Requant's one pass, and the sum of llama.cpp's two programs. */
export interface TwoPasses {
  readonly requant: Measurement;
  readonly cpuSeconds: Spread;
  readonly writtenBytes: number;
}

/** The time of the converter is taken for as many bytes as the other side had. */
export function twoPasses(results: Results, peers: Run, contender = "requant"): TwoPasses | undefined {
  const [measured] = tasksOf(results, "hf").values();
  const [requant, native] = [measured?.get(contender), measured?.get("native")];
  const converter = converterOf(peers);
  if (requant === undefined || native?.cpuSeconds === undefined || converter?.cpuSeconds === undefined)
    return undefined;
  const scale = (requant.bytes ?? 1) / (converter.bytes ?? 1);
  return {
    requant,
    cpuSeconds: {
      median: scale * converter.cpuSeconds.median + native.cpuSeconds.median,
      least: scale * converter.cpuSeconds.least + native.cpuSeconds.least,
    },
    writtenBytes: scale * (converter.writtenBytes ?? 0) + (native.writtenBytes ?? 0),
  };
}

function converterOf(peers: Run): Measurement | undefined {
  return peers.measurements.find(({ part, contender }) => part === "hf" && contender === "converter");
}

export function hfPart(results: Results, peers: Run): string {
  const tasks = tasksOf(results, "hf");
  const converter = converterOf(peers);
  const written = ({ writtenBytes }: Pick<Measurement, "writtenBytes">): string =>
    writtenBytes === undefined ? "" : megabytes(writtenBytes);
  const rows = contenderRows(tasks, (measurement) => {
    const sum = measurement.contender.startsWith("requant")
      ? twoPasses(results, peers, measurement.contender)
      : undefined;
    return [
      ...useCells(measurement),
      written(measurement),
      ratio(measurement.cpuSeconds, sum?.cpuSeconds),
      sameness([measurement]),
    ];
  });
  if (converter !== undefined)
    rows.push(["converter, measured once", ...useCells(converter), written(converter), "", ""]);
  const sum = twoPasses(results, peers);
  if (sum !== undefined)
    rows.push(["converter and native together", times(sum.cpuSeconds), "", "", written(sum), "", ""]);
  return `## From a Hugging Face directory

A made-up llama of ${inputGigabytes(tasks)} GB in BF16, with a SentencePiece tokenizer, to Q4_K_M: \`requant convert\` in one pass; and llama.cpp's way, \`convert_hf_to_gguf.py --outtype bf16\` and then \`llama_model_quantize\`. The second step was measured in turns with requant, from a GGUF file with the tensors of the converter. The converter needs Python and torch, which \`pnpm bench\` does not install: \`bench/peers.ts\` measured it once, on a model of ${((converter?.bytes ?? 0) / 1e9).toFixed(2)} GB${converter?.same === true ? ", and found the same tensors as requant's in the file" : ""}; \`bench/peers.json\` has its figures. The sum takes its time for as many bytes as requant read. ${machinePart(peers).replace("Measured", "The converter was measured")}

${table(["", ...useHeads, "MB written", "both ÷ requant", "same tensors"], rows)}`;
}

export function packedPart(results: Results): string {
  const tasks = tasksOf(results, "packed");
  const rows = contenderRows(tasks, (measurement, measured) => {
    const [ours, copy] = [measurement.wallSeconds, measured.get("copy")?.wallSeconds];
    const isOurs = measurement.contender === "requant" && ours !== undefined && copy !== undefined;
    return [...useCells(measurement), isOurs ? `${digits(ours.median / copy.median)}` : ""];
  });
  return `## A packed model, exactly

A made-up llama of ${inputGigabytes(tasks)} GB, packed as GPTQ in groups of 128, to GGUF with the same values: \`requant convert --no-verify\`, and a copy of the same files (\`copyFileSync\`), each in a process of its own.

${table(["", ...useHeads, "wall ÷ copy"], rows)}`;
}

/** Microseconds of processor time for a weight. */
export function microseconds({ cpuSeconds, size }: Measurement): Spread | undefined {
  if (cpuSeconds === undefined || size === undefined) return undefined;
  return { median: (1e6 * cpuSeconds.median) / size, least: (1e6 * cpuSeconds.least) / size };
}

export function roundingPart(results: Results): string {
  const tasks = tasksOf(results, "rounding");
  const weights = ((firstOf(tasks)?.size ?? 0) / 1e6).toFixed(0);
  const rows = contenderRows(tasks, (measurement) => {
    const each = microseconds(measurement);
    return [
      ...useCells(measurement),
      each === undefined ? "" : `${digits(each.median)} (${digits(each.least)})`,
    ];
  });
  return `## Codes of other formats

A made-up llama with ${weights} million weights in its layers, in BF16, to formats whose codes are searched: \`requant convert --no-verify\`, processor time of the whole process for each weight of the layers.

${table(["", ...useHeads, "µs a weight"], rows)}`;
}
