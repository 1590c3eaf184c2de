/** A conversion in the page, in Chromium, next to the same one by the command. */
import { spawnSync } from "node:child_process";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuiltPage, whyNoPage } from "../packages/web/test/page.ts";
import { layersFor, modelShape } from "./convert.ts";
import { makeModel } from "./make-model.ts";
import { threadWords } from "./processes.ts";
import { type Measurement, type Spread, spread } from "./results.ts";
import { command } from "./start-up.ts";
import { watchTabs } from "./tab-memory.ts";

export interface BrowserOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

interface Conversion {
  readonly seconds: number;
  readonly digest: string;
  /** Of the tab. */
  readonly peakBytes?: number;
}

const HOUR = 3_600_000;
const TARGETS: Readonly<Record<string, string>> = { Q8_0: "gguf:q8_0", Q4_K_M: "gguf:q4_k_m" };

/** Why the page cannot be measured here; undefined where it can. */
export const whyNoBrowser: string | undefined = whyNoPage;

export async function* measureBrowser(
  folder: string,
  options: BrowserOptions,
): AsyncGenerator<Measurement[]> {
  const { threads, rounds } = options;
  const built = await BuiltPage.start();
  const input = join(folder, "page-f16.gguf");
  const output = join(folder, "page-out.gguf");
  try {
    const shape = modelShape(layersFor(options.gigabytes));
    await makeModel(input, shape, { tokens: shape.vocabularySize, merges: 1000 });
    const { size: bytes } = await stat(input);
    for (const [name, to] of Object.entries(TARGETS)) {
      const [node, page]: [Conversion[], Conversion[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        await rm(output, { force: true });
        node.push(byCommand(input, output, to, threads));
        page.push(await byPage(built, input, to, threads));
      }
      const same = page.every(({ digest }, round) => digest === node[round]?.digest);
      const task = `${name}, ${threadWords(threads)}`;
      const shared = { part: "browser", task, samples: rounds, bytes } as const;
      const peaks = page.map(({ peakBytes = 0 }) => peakBytes);
      yield [
        { ...shared, contender: "Node", wallSeconds: secondsOf(node) },
        { ...shared, contender: "Chromium", wallSeconds: secondsOf(page), peakBytes: spread(peaks), same },
      ];
    }
  } finally {
    await built.close();
  }
  await rm(input);
  await rm(output);
}

function secondsOf(conversions: readonly Conversion[]): Spread {
  return spread(conversions.map(({ seconds }) => seconds));
}

/** Until the digest of the output is known: the page computes it, too. */
function byCommand(input: string, output: string, to: string, threads: number): Conversion {
  const started = performance.now();
  const options = ["--to", to, "--jobs", String(threads), "--overwrite", "--quiet"];
  succeeded(process.execPath, [command, "convert", input, output, ...options]);
  const digest = succeeded("sha256sum", [output]).slice(0, 64);
  return { seconds: (performance.now() - started) / 1000, digest };
}

function succeeded(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** From the click to the digest. */
async function byPage(built: BuiltPage, input: string, to: string, threads: number): Promise<Conversion> {
  const page = await built.open();
  await page.getByLabel("Open files").setInputFiles(input);
  await page.getByRole("tab", { name: "Convert" }).click();
  await page.getByLabel("Target", { exact: true }).fill(to);
  await page.getByLabel("Workers").fill(String(threads));
  const start = page.getByRole("button", { name: "Convert", exact: true });
  await page.getByRole("grid", { name: "Planned tensors" }).waitFor({ timeout: HOUR });
  await page.locator('.plan[aria-busy="false"]').waitFor();
  const watch = watchTabs();
  const started = performance.now();
  await start.click();
  const digest = (await page.getByLabel("SHA-256").textContent({ timeout: HOUR })) ?? "";
  const seconds = (performance.now() - started) / 1000;
  const peakBytes = watch.stop();
  await page.context().close();
  return { seconds, digest, peakBytes };
}
