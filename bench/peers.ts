/**
 * Measures peers that npm cannot install, once: writes bench/peers.json, which the page shows with its date and machine.
 *   node --conditions=@requant/source bench/peers.ts <folder for temporary files> <python> <llama.cpp> [gigabytes]
 * The Python needs torch, transformers, sentencepiece, protobuf and numpy in the versions of llama.cpp's requirements.
 * node-llama-cpp ships the sources of llama.cpp: git clone node_modules/node-llama-cpp/llama/gitRelease.bundle
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { childPath, nodeUsage, outputOf, type Usage } from "./child-process.ts";
import { layersFor, modelShape } from "./convert.ts";
import { machineFacts, packageOf } from "./machine.ts";
import { makeHf } from "./make-hf.ts";
import { usageSpreads } from "./processes.ts";
import type { Run } from "./results.ts";
import { sameTensors } from "./same-tensors.ts";
import { command } from "./start-up.ts";

const [temporary = "", python = "", llamaFolder = "", gigabytes = "1"] = process.argv.slice(2);
const ROUNDS = 3;
const MODULES = ["torch", "numpy", "transformers", "sentencepiece"];

async function pythonUsage(report: string, program: string, args: readonly string[]): Promise<Usage> {
  const start = performance.now();
  await outputOf(python, [childPath("python_usage.py"), report, program, ...args]);
  const wallSeconds = (performance.now() - start) / 1e3;
  return { wallSeconds, ...JSON.parse(await readFile(report, "utf8")) };
}

function versions(): Record<string, string> {
  const code = `import platform, importlib.metadata as m; print("\\n".join([platform.python_version(), *map(m.version, ${JSON.stringify(MODULES)})]))`;
  const [own = "", ...modules] = execFileSync(python, ["-c", code], { encoding: "utf8" }).trim().split("\n");
  const client = packageOf("node-llama-cpp")?.folder ?? "";
  const { tag } = JSON.parse(readFileSync(join(client, "llama/llama.cpp.info.json"), "utf8"));
  return {
    "llama.cpp": String(tag),
    Python: own,
    ...Object.fromEntries(MODULES.map((name, i) => [name, modules[i] ?? "unknown"])),
  };
}

const loadAtStart = loadavg()[0] ?? 0;
const folder = await mkdtemp(join(temporary, "requant-peers-"));
try {
  const input = join(folder, "hf");
  const bytes = await makeHf(input, modelShape(layersFor(Number(gigabytes))));
  const output = join(folder, "converter.gguf");
  const usages: Usage[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await rm(output, { force: true });
    const program = join(llamaFolder, "convert_hf_to_gguf.py");
    const args = [input, "--outfile", output, "--outtype", "bf16"];
    usages.push(await pythonUsage(join(folder, "report.json"), program, args));
    console.log(JSON.stringify(usages.at(-1)));
  }
  const own = join(folder, "requant.gguf");
  await nodeUsage(command, ["convert", input, own, "--to", "gguf:bf16", "--no-verify"]);
  const same = await sameTensors(output, own);
  const run: Run = {
    date: new Date().toISOString().slice(0, 10),
    machine: { ...machineFacts(loadAtStart), versions: versions() },
    options: { gigabytes: Number(gigabytes) },
    measurements: [
      {
        part: "hf",
        task: "BF16 → BF16 GGUF",
        contender: "converter",
        samples: ROUNDS,
        ...usageSpreads(usages),
        bytes,
        same,
      },
    ],
  };
  await writeFile(new URL("peers.json", import.meta.url), `${JSON.stringify(run, undefined, 1)}\n`);
} finally {
  await rm(folder, { recursive: true });
}
