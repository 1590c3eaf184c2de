/** The example of the README in Chromium. The oracle is the same conversion in Node, into memory. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { memoryStore } from "@requant/core";
import { expect, it } from "vitest";
import {
  bundled,
  hasChromium,
  launchChromium,
  needsChromium,
  serveFiles,
} from "../../../../fixtures/chromium.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

const example = resolve(import.meta.dirname, "../../examples/page");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

it.skipIf(!hasChromium)(
  `the example page converts a file as Node does (${needsChromium})`,
  async () => {
    const model = await ggufBytes(
      [1, 2, 3, 4, 5, 6].map((seed) => ({
        name: `blk.0.ffn_${seed}.weight`,
        shape: [2048, 512],
        values: pseudoWeights(2048 * 512, seed),
      })),
    );
    const store = memoryStore({ name: "source" });
    store.files.set("model.gguf", model);
    const here = await openModel({ store, file: "model.gguf" });
    const output = memoryStore({ name: "out" });
    await runPlan(await planConversion(here, parseTarget("gguf:q4_k_m"), { outputName: "x" }), here, output);

    const folder = await mkdtemp(join(tmpdir(), "requant-example-"));
    await writeFile(join(folder, "model.gguf"), model);
    const server = await serveFiles({
      "/": await readFile(join(example, "index.html"), "utf8"),
      "/convert-worker.js": await bundled({ file: join(example, "convert-worker.ts") }),
      "/piece-worker.js": await bundled({ file: join(example, "piece-worker.ts") }),
    });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`${server.origin}/`);
      await page.getByLabel("A GGUF file").setInputFiles(join(folder, "model.gguf"));
      const saving = page.waitForEvent("download");
      await page.getByRole("link", { name: "Save" }).click();
      const saved = await readFile(await (await saving).path());
      expect(sha256(saved)).toBe(sha256(output.files.get("x.gguf") ?? new Uint8Array(0)));
      // the last progress is that of the check, which is whole
      expect(await page.getByLabel("Progress").getAttribute("value")).toBe("1");
    } finally {
      await browser.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
  60_000,
);
