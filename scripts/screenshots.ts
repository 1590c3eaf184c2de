/**
 * Writes docs/pictures: the page with models made from the bundled one, light, dark and narrow. Needs the built page and
 * /usr/bin/chromium.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { convertedBy } from "../packages/web/test/command.ts";
import { BuiltPage } from "../packages/web/test/page.ts";

const root = resolve(import.meta.dirname, "..");
const bundled = join(root, "fixtures/kjv/hf");
const pictures = join(root, "docs/pictures");

/** No picture of the documentation is larger. */
const MOST_BYTE_LENGTH = 150_000;

const looks = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  narrow: { colorScheme: "light", viewport: { width: 360, height: 800 } },
} as const;

/** Models to open after the bundled one; the last is shown: names of outputs and their targets. */
const models = [
  ["kjv-awq", "awq:4bit-32g"],
  ["kjv-exl2", "exl2:4.5bpw"],
  ["kjv-gptq", "gptq:4bit-32g-sym"],
  ["kjv-q4_k_m.gguf", "gguf:q4_k_m"],
] as const;

async function showTab(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name, exact: true }).click();
}

/** What is done before each picture is taken. */
const views: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  async overview(page) {
    await page.getByRole("button", { name: "Read all weights and look for faults" }).waitFor();
  },
  async tensors(page) {
    await showTab(page, "Tensors");
    await page.getByRole("grid", { name: "Tensors" }).getByText("blk.0.attn_q.weight").waitFor();
  },
  async pictures(page) {
    await showTab(page, "Pictures");
    await page.getByRole("grid", { name: "Bits per weight by layer and role" }).waitFor();
  },
  async tensor(page) {
    await showTab(page, "Tensors");
    await page.getByRole("grid", { name: "Tensors" }).getByText("blk.0.attn_q.weight").click();
    await page.getByText("All 16 codes occur.").waitFor();
    await page.mouse.move(0, 0);
  },
  async compare(page) {
    await showTab(page, "Compare");
    await page.getByLabel("Compare with").selectOption({ label: "kjv" });
    await page.getByRole("button", { name: "Compare all weights" }).click();
    await page.getByRole("grid", { name: "Compared tensors" }).getByText("blk.0.attn_q.weight").waitFor();
  },
  async convert(page) {
    await page.getByRole("button", { name: /^kjv Hugging/ }).click();
    await showTab(page, "Convert");
    await page.getByLabel("Target", { exact: true }).fill("gguf:q4_k_m");
    await page.getByRole("grid", { name: "Planned tensors" }).getByText("blk.0.attn_q.weight").waitFor();
  },
};

async function openAll(page: Page, folder: string): Promise<void> {
  for (const path of ["kjv", ...models.map(([name]) => name)].map((name) => join(folder, name))) {
    const isFile = statSync(path).isFile();
    await page.getByLabel(isFile ? "Open files" : "Open a folder").setInputFiles(path);
    const entry = page.getByRole("navigation", { name: "Models" }).getByRole("listitem").last();
    await entry.getByText(/[MG]B$/).waitFor();
  }
}

/** The best quality of these that is small enough: heat maps are noise, which takes many bytes. */
const QUALITIES = [0.92, 0.85, 0.75, 0.6];

/** What the page shows, as WebP. */
async function webp(page: Page, encoder: Page): Promise<Buffer> {
  const png = await page.screenshot({ animations: "disabled" });
  const address = await encoder.evaluate<string>(`(async () => {
    const image = new Image();
    image.src = "data:image/png;base64,${png.toString("base64")}";
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    const addresses = ${JSON.stringify(QUALITIES)}.map((quality) => canvas.toDataURL("image/webp", quality));
    return addresses.find(({ length }) => length * 0.75 < ${MOST_BYTE_LENGTH}) ?? "";
  })()`);
  return Buffer.from(address.slice(address.indexOf(",") + 1), "base64");
}

const folder = mkdtempSync(join(tmpdir(), "requant-screenshots-"));
const built = await BuiltPage.start();
try {
  mkdirSync(pictures, { recursive: true });
  cpSync(bundled, join(folder, "kjv"), { recursive: true });
  const encoder = await built.browser.newPage();
  for (const [name, target] of models) convertedBy(bundled, join(folder, name), "--to", target);
  for (const [look, options] of Object.entries(looks)) {
    const page = await built.open(options);
    await openAll(page, folder);
    for (const [view, show] of Object.entries(views)) {
      await show(page);
      const bytes = await webp(page, encoder);
      const name = `${view}-${look}.webp`;
      if (bytes.byteLength === 0) throw new Error(`${name} has more than ${MOST_BYTE_LENGTH} bytes.`);
      writeFileSync(join(pictures, name), bytes);
      console.log(`${name}: ${(bytes.byteLength / 1000).toFixed(0)} kB`);
    }
  }
  if (built.complaints.length > 0) throw new Error(built.complaints.join("\n"));
} finally {
  await built.close();
  rmSync(folder, { recursive: true, force: true });
}
