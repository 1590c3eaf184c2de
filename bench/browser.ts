/** A conversion in the page, in Chromium, next to the same one by the command. */
import { spawnSync } from "node:child_process";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { launchWithProfile } from "../fixtures/chromium.ts";
import { dist, whyNoPage } from "../packages/web/test/page.ts";
import { serveFolder } from "../packages/web/test/static-server.ts";
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
  /** Until the output is whole. */
  readonly seconds: number;
  readonly digest: string;
}

interface PageConversion extends Conversion {
  /** Until the page shows the SHA-256. */
  readonly digestSeconds: number;
  /** Of the tab. */
  readonly peakBytes: number;
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
  const server = await serveFolder(dist, "/");
  const input = join(folder, "page-f16.gguf");
  const output = join(folder, "page-out.gguf");
  try {
    const shape = modelShape(layersFor(options.gigabytes));
    await makeModel(input, shape, { tokens: shape.vocabularySize, merges: 1000 });
    const { size: bytes } = await stat(input);
    for (const [name, to] of Object.entries(TARGETS)) {
      const [node, page]: [Conversion[], PageConversion[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        await rm(output, { force: true });
        node.push(byCommand(input, output, to, threads));
        page.push(
          await inProfile(join(folder, "profile"), server.url, (tab) => byPage(tab, input, to, threads)),
        );
      }
      const same = page.every(({ digest }, round) => digest === node[round]?.digest);
      const task = `${name}, ${threadWords(threads)}`;
      const shared = { part: "browser", task, samples: rounds, bytes } as const;
      const peakBytes = spread(page.map((conversion) => conversion.peakBytes));
      yield [
        { ...shared, contender: "Node", wallSeconds: secondsOf(node) },
        { ...shared, contender: "Chromium", wallSeconds: secondsOf(page), peakBytes, same },
        {
          ...shared,
          contender: "Chromium, SHA-256",
          wallSeconds: spread(page.map(({ digestSeconds }) => digestSeconds)),
        },
      ];
    }
  } finally {
    await server.close();
  }
  await rm(input);
  await rm(output);
}

function secondsOf(conversions: readonly Conversion[]): Spread {
  return spread(conversions.map(({ seconds }) => seconds));
}

function byCommand(input: string, output: string, to: string, threads: number): Conversion {
  const started = performance.now();
  const options = ["--to", to, "--jobs", String(threads), "--overwrite", "--quiet"];
  succeeded(process.execPath, [command, "convert", input, output, ...options]);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, digest: succeeded("sha256sum", [output]).slice(0, 64) };
}

function succeeded(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/**
 * In a profile on the disk, as people have one: in a private window Chromium keeps the page's files in the memory of another
 * process, which takes twice as long.
 */
async function inProfile<T>(folder: string, url: string, work: (page: Page) => Promise<T>): Promise<T> {
  await rm(folder, { recursive: true, force: true });
  const context = await launchWithProfile(folder);
  try {
    const page = await context.newPage();
    await page.goto(url);
    return await work(page);
  } finally {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** From the click. */
async function byPage(page: Page, input: string, to: string, threads: number): Promise<PageConversion> {
  await page.getByLabel("Open files").setInputFiles(input);
  await page.getByRole("tab", { name: "Convert" }).click();
  await page.getByLabel("Target", { exact: true }).fill(to);
  await page.getByLabel("Workers").fill(String(threads));
  const start = page.getByRole("button", { name: "Convert", exact: true });
  await page.getByRole("grid", { name: "Planned tensors" }).waitFor({ timeout: HOUR });
  await page.locator('.plan[aria-busy="false"]').waitFor();
  const watch = watchTabs();
  const started = performance.now();
  const secondsSince = (): number => (performance.now() - started) / 1000;
  await start.click();
  await page.getByRole("heading", { name: "Done", exact: true }).waitFor({ timeout: HOUR });
  const seconds = secondsSince();
  const digest = (await page.getByLabel("SHA-256").textContent({ timeout: HOUR })) ?? "";
  return { seconds, digest, digestSeconds: secondsSince(), peakBytes: watch.stop() };
}
