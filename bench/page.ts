import type { Measurement, PartName, Results, Spread } from "./results.ts";

/** One measurement as a line of text. */
export function lineOf({
  part,
  task,
  contender,
  wallSeconds,
  cpuSeconds,
  peakBytes,
  bytes,
  same,
}: Measurement): string {
  const figures = [
    cpuSeconds && `cpu ${time(cpuSeconds.median)} (least ${time(cpuSeconds.least)})`,
    wallSeconds && `wall ${time(wallSeconds.median)}`,
    bytes !== undefined && cpuSeconds !== undefined && `${gigabytes(bytes / cpuSeconds.median)} GB/s`,
    peakBytes && `peak ${megabytes(peakBytes.median)} MB`,
    same === undefined ? undefined : same ? "same bytes" : "OTHER BYTES",
  ];
  return `${part}: ${task}, ${contender}: ${figures.filter((figure) => figure).join(", ")}`;
}

function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  if (seconds >= 1e-3) return `${(1e3 * seconds).toPrecision(3)} ms`;
  return `${(1e6 * seconds).toPrecision(3)} µs`;
}

function gigabytes(bytesPerSecond: number): string {
  const value = bytesPerSecond / 1e9;
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(2);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? "").length), Math.max(title.length, 3)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** The measurements of a part, by task, then by contender, in the order in which they were taken. */
function byTask(results: Results, part: PartName): Map<string, Map<string, Measurement>> {
  const tasks = new Map<string, Map<string, Measurement>>();
  for (const measurement of results.measurements) {
    if (measurement.part !== part) continue;
    const task = tasks.get(measurement.task) ?? new Map<string, Measurement>();
    tasks.set(measurement.task, task.set(measurement.contender, measurement));
  }
  return tasks;
}

/** How many times less time `ours` took: by medians, and by best runs. Empty where one side was not measured. */
function ratio(ours: Spread | undefined, theirs: Spread | undefined): string {
  if (ours === undefined || theirs === undefined) return "";
  return `${digits(theirs.median / ours.median)} (${digits(theirs.least / ours.least)})`;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** GB/s by processor time: median, best. */
function rate(measurement: Measurement | undefined): string {
  const { bytes, cpuSeconds } = measurement ?? {};
  if (bytes === undefined || cpuSeconds === undefined) return "";
  return `${gigabytes(bytes / cpuSeconds.median)} (${gigabytes(bytes / cpuSeconds.least)})`;
}

function sameness(measurements: ReadonlyMap<string, Measurement>): string {
  const judged = [...measurements.values()].filter(({ same }) => same !== undefined);
  return judged.length === 0 ? "" : judged.every(({ same }) => same) ? "yes" : "**no**";
}

function rateTable(results: Results, part: PartName, contenders: readonly string[]): string {
  return table(
    ["", ...contenders, "SIMD ÷ native", "same bits"],
    [...byTask(results, part)].map(([task, measured]) => [
      task,
      ...contenders.map((name) => rate(measured.get(name))),
      ratio(measured.get("SIMD")?.cpuSeconds, measured.get("native")?.cpuSeconds),
      sameness(measured),
    ]),
  );
}

function kernelPart(results: Results): string {
  return `## Kernels, in cache

GB/s of f32 weights: median, and in parentheses the best run. 32768 weights in rows of 4096, one thread, processor time. "native" is ggml as node-llama-cpp ships it, which is how llama.cpp builds it without flags for newer processors: \`ggml_quantize_chunk\` and \`dequantize_row_*\`. "TypeScript" is the codec with kernels switched off, "SIMD" its WebAssembly twin. All sides of a row ran in turns.

${rateTable(results, "kernels", ["native", "TypeScript", "SIMD"])}`;
}

function largePart(results: Results): string {
  return `## Dequantizing beyond cache

The same for 64 MiB of f32, with the limits of the machine in the same row: "copy" copies as many bytes from elsewhere, "store" only stores them, 128 bits at a time.

${rateTable(results, "large", ["native", "TypeScript", "SIMD", "copy", "store"])}`;
}

function limitsPart(results: Results): string {
  return `## Limits of the machine

GB/s, one thread.

${table(
  ["", "copy", "store"],
  [...byTask(results, "limits")].map(([task, measured]) => [
    task,
    rate(measured.get("copy")),
    rate(measured.get("store")),
  ]),
)}`;
}

function linearPart(results: Results): string {
  return `## GPTQ and AWQ

To f32: GB/s of f32, 256 × 512 weights in groups of 128; "naive C" is \`bench/children/naive-gptq.c\`, compiled here with \`cc -O2\`, where there is a compiler. To ggml blocks: 8192 × 8192 weights, GB/s of the bytes they were stored in, which is also what "copy" copies.

${table(
  ["", "naive C", "copy", "TypeScript", "SIMD", "SIMD ÷ naive C", "SIMD ÷ copy"],
  [...byTask(results, "linear")].map(([task, measured]) => [
    task,
    ...["naive C", "copy", "TypeScript", "SIMD"].map((name) => rate(measured.get(name))),
    ...["naive C", "copy"].map((name) =>
      ratio(measured.get("SIMD")?.cpuSeconds, measured.get(name)?.cpuSeconds),
    ),
  ]),
)}`;
}

function headerPart(results: Results): string {
  const tasks = [...byTask(results, "header")];
  const bytes = tasks[0]?.[1].get("requant")?.bytes ?? 0;
  const rows = tasks.flatMap(([task, measured]) =>
    [...measured].map(([contender, { cpuSeconds, wallSeconds }]) => [
      `${contender}, ${task}`,
      wallSeconds ? time(wallSeconds.median) : "",
      cpuSeconds ? `${time(cpuSeconds.median)} (${time(cpuSeconds.least)})` : "",
      contender.startsWith("requant") || contender === "bytes only"
        ? ""
        : ratio(measured.get("requant")?.cpuSeconds, cpuSeconds),
    ]),
  );
  return `## Opening a file with a large vocabulary

A header of ${(bytes / 1e6).toFixed(1)} MB, with 150 000 tokens and 260 000 merges, in the page cache. "first" is the first opening in a new process, without the loading of the library; "again" the five after it. \`requant\` builds no string that nobody asks for; "all values" asks for all of them. "bytes only" reads the bytes and looks at none.

${table(["", "wall, median", "processor time, median (least)", "times requant"], rows)}`;
}

function startUpPart(results: Results): string {
  const rows = results.measurements
    .filter(({ part }) => part === "start-up")
    .map(({ contender, wallSeconds }) => [
      contender,
      wallSeconds ? time(wallSeconds.median) : "",
      wallSeconds ? time(wallSeconds.least) : "",
    ]);
  return `## Start of the command

From the start of the process to its end.

${table(["", "median", "least"], rows)}`;
}

function convertPart(results: Results): string {
  const tasks = [...byTask(results, "convert")];
  const bytes = [...(tasks[0]?.[1].values() ?? [])][0]?.bytes ?? 0;
  const rows = tasks.flatMap(([task, measured]) =>
    [...measured].map(([contender, { cpuSeconds, wallSeconds, peakBytes, same }]) => [
      `${task}: ${contender}`,
      cpuSeconds ? `${time(cpuSeconds.median)} (${time(cpuSeconds.least)})` : "",
      wallSeconds ? `${time(wallSeconds.median)} (${time(wallSeconds.least)})` : "",
      peakBytes ? megabytes(peakBytes.median) : "",
      contender.startsWith("requant") ? ratio(cpuSeconds, measured.get("native")?.cpuSeconds) : "",
      same === undefined ? "" : same ? "yes" : "**no**",
    ]),
  );
  return `## Whole conversions

A made-up llama of ${(bytes / 1e9).toFixed(2)} GB in F16 to the types below: \`requant convert\` and \`llama_model_quantize\`, each in a process of its own, the start of Node included in both. By default requant measures the error of every weight and reads its output again; with \`--no-verify\` it only measures. llama.cpp does neither. Each is first in turn and finds no old output, because a program also pays for what the one before it left in memory and on its way to the disk. Processor time is that of all threads. llama.cpp maps the input into memory, and what it has touched of it counts as resident.

${table(
  [
    "",
    "processor time, median (least)",
    "wall, median (least)",
    "peak MB",
    "native ÷ requant",
    "same tensors",
  ],
  rows,
)}`;
}

function packedPart(results: Results): string {
  const tasks = [...byTask(results, "packed")];
  const bytes = tasks[0]?.[1].get("requant")?.bytes ?? 0;
  const rows = tasks.flatMap(([task, measured]) =>
    [...measured].map(([contender, { cpuSeconds, wallSeconds, peakBytes }]) => [
      `${task}: ${contender}`,
      cpuSeconds ? `${time(cpuSeconds.median)} (${time(cpuSeconds.least)})` : "",
      wallSeconds ? `${time(wallSeconds.median)} (${time(wallSeconds.least)})` : "",
      peakBytes ? megabytes(peakBytes.median) : "",
    ]),
  );
  return `## A packed model, exactly

A made-up llama of ${(bytes / 1e9).toFixed(2)} GB, packed as GPTQ in groups of 128, to GGUF with the same values: \`requant convert --no-verify\`, and a copy of the same files (\`copyFileSync\`), each in a process of its own.

${table(["", "processor time, median (least)", "wall, median (least)", "peak MB"], rows)}`;
}

const renderers: Readonly<Partial<Record<PartName, (results: Results) => string>>> = {
  convert: convertPart,
  packed: packedPart,
  kernels: kernelPart,
  large: largePart,
  linear: linearPart,
  header: headerPart,
  "start-up": startUpPart,
  limits: limitsPart,
};

function formatPart(formats: Results): string {
  const rates = (part: PartName): string =>
    table(
      ["", "TypeScript", "SIMD", "same bits"],
      [...byTask(formats, part)].map(([task, measured]) => [
        task,
        rate(measured.get("TypeScript")),
        rate(measured.get("SIMD")),
        sameness(measured),
      ]),
    );
  return `## Weight formats to f32, and hidden grids

Made by \`pnpm bench formats hidden-grids\`, apart from the rest of this page; the figures are in \`bench/formats.json\`. ${machinePart(formats)}

GB/s of f32 weights: median, and in parentheses the best run. 32768 weights in rows of 4096, in the memory of the kernels, one thread, processor time. Codes are random bytes, E4M3 codes without NaN: one in sixteen is subnormal. "TypeScript" is the codec with kernels switched off, and the peer that "SIMD" must equal bit for bit; both ran in turns.

${rates("formats")}

The search for hidden grids in floats of 1024 × 4096: GB/s of the floats as they are stored, decoding included.

${rates("hidden-grids")}`;
}

export function machinePart({
  machine,
  date,
  options,
}: Pick<Results, "date" | "machine"> & Partial<Pick<Results, "options">>): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const busy = machine.load.some((load) => load > machine.cores);
  return [
    `Measured on ${date}: ${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.platform}; Node ${machine.node} (V8 ${machine.v8}); ${versions.join(", ")}.`,
    busy
      ? `The machine was busy with other work (load ${machine.load.map((load) => load.toFixed(1)).join(" at the start, ")} at the end): look at processor times and at the best runs.`
      : "",
    options?.["quick"] === true ? "A quick run: few samples." : "",
  ]
    .filter((line) => line !== "")
    .join(" ");
}

/** The page: all measurements, with ratios where both sides were measured. */
export function benchmarkPage(results: Results, formats?: Results): string {
  const present = new Set(results.measurements.map(({ part }) => part));
  const parts = Object.entries(renderers).flatMap(([part, render]) =>
    [...present].some((name) => name === part) ? [render(results)] : [],
  );
  if (formats !== undefined) parts.push(formatPart(formats));
  return `# Benchmarks

Made by \`pnpm bench\`, which runs on any machine after \`pnpm install\` alone and overwrites this page; the figures behind it are in \`bench/results.json\`. Everything that is compared ran in the same run, in turns.

${machinePart(results)}

${parts.join("\n\n")}
`;
}
