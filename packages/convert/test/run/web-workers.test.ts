/** A page converts a chosen file with Web Workers, in Chromium. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { memoryStore } from "@requant/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bundled,
  hasChromium,
  launchChromium,
  needsChromium,
  type SmallServer,
  serveFiles,
} from "../../../../fixtures/chromium.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

const package_ = resolve(import.meta.dirname, "../..");

const PAGE = `
import { blobStore, memoryStore } from "@requant/core";
import { openModel, parseTarget, planConversion, runPlan, webWorkers } from "./src/index.ts";
globalThis.convert = async (jobs) => {
  const blob = await (await fetch("/model.gguf")).blob();
  const model = await openModel({ store: blobStore(new Map([["model.gguf", blob]])), file: "model.gguf" });
  const plan = await planConversion(model, parseTarget("gguf:q4_k_m"), { outputName: "x" });
  const output = memoryStore({ name: "out" });
  let started = 0;
  const workers = webWorkers(() => {
    started += 1;
    return new Worker("/worker.js", { type: "module" });
  }, { jobs, weightsPerWorker: 1 });
  await runPlan(plan, model, output, { workers, bandByteLength: 65536 });
  const hash = await crypto.subtle.digest("SHA-256", output.files.get("x.gguf"));
  return { started, sha256: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("") };
};
`;

describe.skipIf(!hasChromium)(`Web Workers (${needsChromium})`, () => {
  let server: SmallServer;
  let model: Uint8Array;

  beforeAll(async () => {
    model = await ggufBytes([
      { name: "token_embd.weight", shape: [1024, 256], values: pseudoWeights(1024 * 256, 1) },
      { name: "blk.0.ffn_up.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 4) },
    ]);
    server = await serveFiles({
      "/": `<!doctype html><script type="module" src="/page.js"></script>`,
      "/page.js": await bundled({ text: PAGE, folder: package_ }),
      "/worker.js": await bundled({ file: resolve(package_, "src/run/workers/web-worker.ts") }),
      "/model.gguf": model,
    });
  });
  afterAll(() => server.close());

  it("make the same bytes as Node, in a page alone and with three of them", async () => {
    const store = memoryStore({ name: "source" });
    store.files.set("model.gguf", model);
    const here = await openModel({ store, file: "model.gguf" });
    const output = memoryStore({ name: "out" });
    await runPlan(await planConversion(here, parseTarget("gguf:q4_k_m"), { outputName: "x" }), here, output);
    const wanted = createHash("sha256")
      .update(output.files.get("x.gguf") ?? "")
      .digest("hex");

    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`${server.origin}/`);
      await page.waitForFunction("typeof globalThis.convert === 'function'");
      expect(await page.evaluate("convert(1)")).toEqual({ started: 0, sha256: wanted });
      expect(await page.evaluate("convert(3)")).toEqual({ started: 3, sha256: wanted });
    } finally {
      await browser.close();
    }
  });
});
