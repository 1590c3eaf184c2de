/** Conversions and edits into the browser's own storage, in Chromium. The oracle is the same work in Node, into memory. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { memorySink, memorySource, memoryStore } from "@requant/core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bundled,
  hasChromium,
  launchChromium,
  needsChromium,
  PAGE_WITH_WORKER,
  SCENARIO_WORKER,
  type SmallServer,
  serveFiles,
} from "../../../../fixtures/chromium.ts";
import { editMetadata, openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";
import type { ConvertArgument, scenarios } from "./browser-scenarios.ts";

const package_ = resolve(import.meta.dirname, "../..");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

interface Result {
  readonly started: number;
  readonly failure?: string;
  readonly findings: readonly string[];
  readonly written: number;
  readonly raw: readonly string[];
  readonly sha256?: string;
}

describe.skipIf(!hasChromium)(`the browser's own storage (${needsChromium})`, () => {
  let server: SmallServer;
  let browser: Browser;
  let page: Page;
  let wanted = "";
  let byteLength = 0;
  let folder = "";

  const call = (name: keyof typeof scenarios, argument?: unknown): Promise<unknown> =>
    page.evaluate(`call("${name}", ${JSON.stringify(argument)})`);
  const convert = async (argument: ConvertArgument): Promise<Result> =>
    (await call("convert", argument)) as Result;

  beforeAll(async () => {
    const model = await ggufBytes([
      { name: "token_embd.weight", shape: [1024, 256], values: pseudoWeights(1024 * 256, 1) },
      { name: "blk.0.ffn_up.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 4) },
      { name: "blk.0.ffn_gate.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 5) },
    ]);
    const store = memoryStore({ name: "source" });
    store.files.set("model.gguf", model);
    const here = await openModel({ store, file: "model.gguf" });
    const output = memoryStore({ name: "out" });
    await runPlan(await planConversion(here, parseTarget("gguf:q4_k_m"), { outputName: "x" }), here, output);
    const whole = output.files.get("x.gguf") ?? new Uint8Array(0);
    byteLength = whole.byteLength;
    wanted = sha256(whole);

    server = await serveFiles({
      "/": PAGE_WITH_WORKER,
      "/worker.js": SCENARIO_WORKER,
      "/scenarios.js": await bundled({ file: join(import.meta.dirname, "browser-scenarios.ts") }),
      "/piece-worker.js": await bundled({ file: join(package_, "src/run/workers/web-worker.ts") }),
      "/model.gguf": model,
    });
    folder = await mkdtemp(join(tmpdir(), "requant-browser-"));
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(`${server.origin}/`);
    await page.waitForFunction("globalThis.isReady === true");
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    [1, 0],
    [3, 3],
  ])("with %d jobs, gets the bytes of Node", async (jobs, started) => {
    expect(await convert({ folder: `jobs-${jobs}`, jobs, resume: false })).toMatchObject({
      started,
      findings: [],
      raw: ["x.gguf"],
      sha256: wanted,
    });
  });

  it.each([
    { phase: "write", how: "abort", jobs: 1 },
    { phase: "write", how: "abort", jobs: 3 },
    { phase: "check", how: "abort", jobs: 3 },
    { phase: "check", how: "message", jobs: 1 },
    { phase: "check", how: "message", jobs: 3 },
  ] as const)(
    "a run aborted in the phase $phase (by $how) with $jobs jobs goes on to the same bytes",
    async ({ phase, how, jobs }) => {
      const out = `aborted-${phase}-${how}-${jobs}`;
      const first = await convert({
        folder: out,
        jobs,
        resume: false,
        stopAt: { phase, share: 0.5, how },
      });
      expect(first).toMatchObject({
        failure: "AbortError",
        findings: ["kept"],
        raw: [".x.gguf.requant-journal", ".x.gguf.requant-part"],
      });
      const second = await convert({ folder: out, jobs, resume: true });
      expect(second).toMatchObject({ findings: [], raw: ["x.gguf"], sha256: wanted });
      // the first run has written half of the weights; in the phase "check", all of them
      expect(second.written).toBeLessThan(phase === "write" ? 0.6 * byteLength : 4096);
    },
  );

  it("a run whose worker ends goes on in another one", async () => {
    await page.evaluate(`new Promise((noted) => {
      globalThis.noted = noted;
      call("convert", ${JSON.stringify({
        folder: "ended",
        jobs: 1,
        resume: false,
        stopAt: { phase: "write", share: 0.5, how: "note" },
      } satisfies ConvertArgument)});
    }).then(() => endWorker())`);
    expect(await call("leftIn", "ended")).toEqual([".x.gguf.requant-journal", ".x.gguf.requant-part"]);
    const second = await convert({ folder: "ended", jobs: 1, resume: true });
    expect(second).toMatchObject({ raw: ["x.gguf"], sha256: wanted });
  });

  it("metadata of a chosen file is edited without holding the file", async () => {
    const bytes = await ggufBytes([
      { name: "token_embd.weight", shape: [16384, 1024], values: pseudoWeights(16384 * 1024, 1) },
    ]);
    const path = join(folder, "chosen.gguf");
    await writeFile(path, bytes);
    let edited = new Uint8Array(0);
    const sink = memorySink((written) => {
      edited = written;
    });
    const change = { set: new Map([["general.name", { type: "string", value: "Renamed" }]] as const) };
    await editMetadata(memorySource(bytes), sink, change);

    await page.setInputFiles("input", path);
    expect(await page.evaluate(`call("choose", document.querySelector("input").files[0])`)).toBe(
      bytes.byteLength,
    );
    const result = (await call("edit", "Renamed")) as { largest: number };
    expect(result).toMatchObject({ kept: 0, raw: ["edited.gguf"], sha256: sha256(edited) });
    // the file has 32 MiB
    expect(result.largest).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(await call("hash")).toEqual({ own: sha256(edited), given: "given" });
  });
});
