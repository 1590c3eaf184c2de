/**
 * A conversion in the page against the same one by the command: seconds of both, and the memory of the tab.
 *   node bench/web-convert.ts [--gigabytes 1] [--to gguf:q4_k_m] [--rounds 2] [--jobs 2]
 * Build first. The page's time is from the click to the digest; the command's includes that of `sha256sum`.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BuiltPage, whyNoPage } from "../packages/web/test/page.ts";
import { layersFor, modelShape } from "./convert.ts";
import { makeModel } from "./make-model.ts";
import { command } from "./start-up.ts";
import { largestTab, watchTabs } from "./tab-memory.ts";

interface Conversion {
  readonly seconds: number;
  readonly digest: string;
}

const { values: given } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "1" },
    to: { type: "string", default: "gguf:q4_k_m" },
    rounds: { type: "string", default: "2" },
    jobs: { type: "string", default: String(availableParallelism()) },
  },
});
const HOUR = 3_600_000;

if (whyNoPage !== undefined) throw new Error(`The page cannot be measured: ${whyNoPage}.`);
const folder = await mkdtemp(join(tmpdir(), "requant-web-bench-"));
const built = await BuiltPage.start();
try {
  const input = join(folder, "model-f16.gguf");
  const shape = modelShape(layersFor(Number(given.gigabytes)));
  await makeModel(input, shape, { tokens: shape.vocabularySize, merges: 1000 });
  console.log(
    `${((await stat(input)).size / 1e9).toFixed(2)} GB of f16 to ${given.to}, ${given.jobs} workers`,
  );
  for (let round = 1; round <= Number(given.rounds); round++) {
    const here = byCommand(input, join(folder, "command.gguf"));
    const watch = watchTabs();
    const there = await byPage(input);
    const memory = watch.stop();
    if (here.digest !== there.digest) throw new Error("The page and the command made different bytes.");
    const speed = here.seconds / there.seconds;
    console.log(
      `command ${here.seconds.toFixed(1)} s, page ${there.seconds.toFixed(1)} s: ${speed.toFixed(2)} × its speed; tab at most ${(memory / 1e6).toFixed(0)} MB`,
    );
  }
} finally {
  await built.close();
  await rm(folder, { recursive: true, force: true });
}

function byCommand(input: string, output: string): Conversion {
  const started = performance.now();
  succeeded(process.execPath, [
    command,
    "convert",
    input,
    output,
    "--to",
    given.to,
    "--jobs",
    given.jobs,
    "--overwrite",
    "--quiet",
  ]);
  const digest = succeeded("sha256sum", [output]).slice(0, 64);
  return { seconds: (performance.now() - started) / 1000, digest };
}

function succeeded(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

async function byPage(input: string): Promise<Conversion> {
  const page = await built.open();
  await page.getByLabel("Open files").setInputFiles(input);
  await page.getByRole("tab", { name: "Convert" }).click();
  await page.getByLabel("Target", { exact: true }).fill(given.to);
  await page.getByLabel("Workers").fill(given.jobs);
  const start = page.getByRole("button", { name: "Convert", exact: true });
  await page.getByRole("grid", { name: "Planned tensors" }).waitFor({ timeout: HOUR });
  await page.locator('.plan[aria-busy="false"]').waitFor();
  console.log(`the tab with the plan takes ${(largestTab() / 1e6).toFixed(0)} MB`);
  const started = performance.now();
  await start.click();
  const digest = (await page.getByLabel("SHA-256").textContent({ timeout: HOUR })) ?? "";
  const seconds = (performance.now() - started) / 1000;
  await page.context().close();
  return { seconds, digest };
}
