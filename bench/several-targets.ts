/**
 * What several targets in one run cost: writes bench/several-targets.json and the section "Cost" of docs/several-targets.md,
 * which says what is measured and how. Needs `pnpm build`.
 *   node --conditions=@requant/source bench/several-targets.ts <folder for temporary files> [gigabytes]
 */
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { childPath, nodeUsage } from "./child-process.ts";
import { layersFor, modelShape } from "./convert.ts";
import { machineFacts } from "./machine.ts";
import { makeModel } from "./make-model.ts";
import { inTurns } from "./processes.ts";
import { spread } from "./results.ts";
import { type SeveralCost, withSeveralCost } from "./several-cost.ts";
import { command } from "./start-up.ts";

const [folder = "", gigabytes = "0.2"] = process.argv.slice(2);
const ROUNDS = 5;
const TARGETS = [
  ["q8_0", "q4_0", "bf16"],
  ["q4_k_m", "q5_k_m", "q8_0"],
];

const input = join(folder, "made-up.gguf");
const [apart, together] = [join(folder, "apart"), join(folder, "together")];

/** Processor seconds of a conversion into a folder. */
async function convert(output: string, to: string): Promise<number> {
  const given = ["convert", input, output, "--to", to, "--no-verify", "--jobs", "1"];
  return (await nodeUsage(command, given)).cpuSeconds;
}

async function measureTargets(targets: readonly string[]): Promise<SeveralCost["conversions"][number]> {
  const contenders = [
    {
      folder: apart,
      samples: [] as number[],
      async run() {
        let sum = 0;
        for (const target of targets) sum += await convert(join(apart, `${target}.gguf`), `gguf:${target}`);
        return sum;
      },
    },
    {
      folder: together,
      samples: [] as number[],
      run: () => convert(together, targets.map((target) => `gguf:${target}`).join(",")),
    },
  ];
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of inTurns(contenders, round)) {
      await rm(contender.folder, { recursive: true, force: true });
      contender.samples.push(await contender.run());
    }
  }
  const [own, one] = contenders;
  let same = true;
  for (const target of targets) {
    const a = await readFile(join(apart, `${target}.gguf`));
    const b = await readFile(join(together, `made-up-${target.toUpperCase()}.gguf`));
    same &&= a.equals(b);
  }
  return { targets, apart: spread(own?.samples ?? []), together: spread(one?.samples ?? []), same };
}

const loadAtStart = loadavg()[0] ?? 0;
await makeModel(input, modelShape(layersFor(Number(gigabytes))), { tokens: 32_000, merges: 1000 });
const conversions: SeveralCost["conversions"][number][] = [];
for (const targets of TARGETS) {
  const measured = await measureTargets(targets);
  console.log(JSON.stringify(measured));
  conversions.push(measured);
}
const reads: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  reads.push((await nodeUsage(childPath("read-rows.mjs"), [input])).cpuSeconds);
}
const cost: SeveralCost = {
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(loadAtStart),
  byteLength: (await stat(input)).size,
  rounds: ROUNDS,
  reading: spread(reads),
  conversions,
};
for (const path of [apart, together, input]) await rm(path, { recursive: true });
const at = (path: string): URL => new URL(path, import.meta.url);
await writeFile(at("several-targets.json"), `${JSON.stringify(cost, null, 2)}\n`);
const page = at("../docs/several-targets.md");
await writeFile(page, withSeveralCost(await readFile(page, "utf8"), cost));
