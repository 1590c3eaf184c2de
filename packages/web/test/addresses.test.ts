/** Models at addresses: read by ranges, from any server and from the hub. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ggufBytes, type TinyTensor } from "../../convert/test/tiny-gguf.ts";
import { BuiltPage, whyNoPage } from "./page.ts";
import { type StaticServer, serveFolder } from "./static-server.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

async function openAddress(page: Page, address: string): Promise<void> {
  await page.getByLabel("Address").fill(address);
  await page.getByRole("button", { name: "Open", exact: true }).click();
}

describe.skipIf(whyNoPage !== undefined)(`addresses (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let server: StaticServer;
  let folder: string;
  beforeAll(async () => {
    built = await BuiltPage.start();
    folder = mkdtempSync(join(tmpdir(), "web-addresses-"));
    // 105 MB: 100 tensors of 1 MiB and a little more
    const tensors = Array.from(
      { length: 100 },
      (_, index): TinyTensor => ({
        name: `blk.${index}.ffn_up.weight`,
        shape: [512, 512],
        values: new Float32Array(512 * 512).fill(1),
      }),
    );
    writeFileSync(join(folder, "large.gguf"), await ggufBytes(tensors));
    server = await serveFolder(folder);
  });
  afterAll(async () => {
    await built.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it("inspecting a file of 105 MB fetches less than 1 % of it", async () => {
    const page = await built.open();
    await openAddress(page, `${server.url}large.gguf`);
    await page.getByRole("tab", { name: "Tensors" }).click();
    await page.getByRole("grid", { name: "Tensors" }).getByText("blk.0.ffn_up.weight").waitFor();
    const sent = server.sent.get("/large.gguf") ?? 0;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1_050_000);
  });

  it("a folder at an address is a Hugging Face directory", async () => {
    const page = await built.open();
    const hf = await serveFolder(kjv);
    await openAddress(page, hf.url);
    await page.getByText("LlamaForCausalLM").waitFor();
    await hf.close();
  });

  it.each([
    ["nowhere", "This is not an address."],
    ["http://127.0.0.1:9/x.gguf", ""],
  ])("%s is refused, and the page goes on", async (address, message) => {
    const page = await built.open();
    await openAddress(page, address);
    const findings = page.getByRole("list", { name: "Findings" });
    await findings.getByText("Error").waitFor();
    expect(await findings.textContent()).toContain(message);
    await openAddress(page, `${server.url}large.gguf`);
    await page.getByRole("navigation").getByText("large.gguf").waitFor();
  });

  it("a repository with several quantizations offers them", async () => {
    const page = await built.open();
    const bytes = await ggufBytes();
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const files = ["tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"];
    await page.context().route("https://huggingface.co/**", async (route) => {
      const { pathname } = new URL(route.request().url());
      const headers = { "access-control-allow-origin": "*" };
      if (pathname.startsWith("/api/models/some/tiny-GGUF/revision/")) {
        return route.fulfill({ headers, json: { sha: commit } });
      }
      if (pathname.startsWith("/api/models/some/tiny-GGUF/tree/")) {
        const json = files.map((path) => ({ type: "file", oid: commit, path, size: bytes.length }));
        return route.fulfill({ headers, json });
      }
      const [, first = "0", last = ""] =
        /bytes=(\d+)-(\d*)/.exec(route.request().headers()["range"] ?? "") ?? [];
      const end = last === "" ? bytes.length : Math.min(bytes.length, Number(last) + 1);
      return route.fulfill({
        status: 206,
        headers: {
          ...headers,
          "access-control-expose-headers": "content-range",
          "content-range": `bytes ${first}-${end - 1}/${bytes.length}`,
        },
        body: Buffer.from(bytes.subarray(Number(first), end)),
      });
    });
    await openAddress(page, "https://huggingface.co/some/tiny-GGUF");
    await page.getByRole("list", { name: "Choices" }).waitFor();
    await page.getByRole("button", { name: "tiny-Q8_0.gguf" }).click();
    await page.getByRole("navigation").getByText("GGUF version 3").waitFor();
  });
});
