/** Plans and conversions in the built page in Chromium. The oracle is the command line with the same choices. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ggufBytes, pseudoWeights } from "../../convert/test/tiny-gguf.ts";
import { command, convertedBy, sha256, sha256sum } from "./command.ts";
import { BuiltPage, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const golden = process.env["REQUANT_GOLDEN"];
const MINUTE = 60_000;

/** Large enough for several workers, and for a stop in the middle. */
const MATRICES = 32;

/** Notes when the result is there, and when its SHA-256. */
const WATCH_RESULT = `globalThis.seen = new Set();
  new MutationObserver(() => {
    if (![...document.querySelectorAll("h3")].some(({ textContent }) => textContent === "Done")) return;
    globalThis.seen.add(document.querySelector("output.digest") === null ? "result" : "digest");
  }).observe(document.body, { subtree: true, childList: true })`;

/** A folder has the name that the command gives to the model. */
async function opened(page: Page, path: string): Promise<void> {
  const isFile = path.endsWith(".gguf");
  await page.getByLabel(isFile ? "Open files" : "Open a folder").setInputFiles(path);
  await page.getByRole("tab", { name: "Convert" }).click();
}

async function planned(page: Page, target: string): Promise<void> {
  await page.getByLabel("Target", { exact: true }).fill(target);
  await page.getByRole("grid", { name: "Planned tensors" }).waitFor();
  await page.locator('.plan[aria-busy="false"]').waitFor();
}

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

async function digest(page: Page): Promise<string> {
  return (await page.getByLabel("SHA-256").textContent({ timeout: MINUTE })) ?? "";
}

interface Report {
  readonly tensors: readonly { readonly name: string; readonly to: string }[];
}

function reportOf(source: string, target: string): Report {
  return JSON.parse(command("plan", source, "--to", target, "--json").stdout) as Report;
}

/** Lines in the order of their names. */
function sorted(lines: string): string {
  return lines
    .split("\n")
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join("\n");
}

describe.skipIf(whyNoPage !== undefined)(`conversion (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  let folder = "";
  let large = "";
  beforeAll(async () => {
    built = await BuiltPage.start();
    folder = await mkdtemp(join(tmpdir(), "requant-page-"));
    large = join(folder, "large.gguf");
    const values = pseudoWeights(4096 * 512, 7);
    const matrices = Array.from({ length: MATRICES }, (_, index) => ({
      name: `blk.0.ffn_${index}.weight`,
      shape: [4096, 512],
      values,
    }));
    await writeFile(large, await ggufBytes(matrices));
    convertedBy(kjv, join(folder, "awq"), "--to", "awq:gemm-128g");
    convertedBy(kjv, join(folder, "kjv.gguf"), "--to", "gguf:bf16");
  }, 2 * MINUTE);
  afterAll(async () => {
    await built.close();
    await rm(folder, { recursive: true, force: true });
  });

  it(
    "makes of floats the GGUF that the command makes, and saves it",
    async () => {
      const page = await built.open();
      await page.addInitScript("delete globalThis.showSaveFilePicker");
      await page.reload();
      await opened(page, kjv);
      await planned(page, "gguf:q4_k_m");
      await page.evaluate(WATCH_RESULT);
      await button(page, "Convert").click();
      convertedBy(kjv, join(folder, "q4.gguf"), "--to", "gguf:q4_k_m");
      const wanted = sha256sum(join(folder, "q4.gguf"));
      expect(await digest(page)).toBe(wanted);
      expect(await page.evaluate("[...globalThis.seen]")).toEqual(["result", "digest"]);
      const saving = page.waitForEvent("download");
      await page
        .getByRole("button", { name: /^Save .*\.gguf$/ })
        .first()
        .click();
      const path = await (await saving).path();
      expect(sha256(await readFile(path))).toBe(wanted);
      expect(built.complaints).toEqual([]);
    },
    2 * MINUTE,
  );

  it.each([
    ["of AWQ the GGUF", "awq", "gguf:auto", []],
    ["of GGUF the GPTQ", "kjv.gguf", "gptq:4bit-128g-sym", []],
  ] as const)(
    "makes %s that the command makes",
    async (_, source, target, options) => {
      const page = await built.open();
      const path = join(folder, source);
      await opened(page, path);
      await planned(page, target);
      await button(page, "Convert").click();
      const output = join(
        folder,
        `out-${target.replace(":", "-")}${target.startsWith("gguf") ? ".gguf" : ""}`,
      );
      convertedBy(path, output, "--to", target, ...options);
      expect(sorted(await digest(page))).toBe(sha256sum(output));
      expect(built.complaints).toEqual([]);
    },
    2 * MINUTE,
  );

  it(
    "is stopped, goes on in a new page of the same browser, and ends with the same bytes",
    async () => {
      const page = await built.open();
      await opened(page, large);
      await planned(page, "gguf:q4_k_m");
      await button(page, "Convert").click();
      await page.getByRole("progressbar", { name: "Writing" }).waitFor();
      await button(page, "Stop").click();
      await page.getByText("Resume goes on with it.").waitFor();
      await page.reload();
      await opened(page, large);
      await planned(page, "gguf:q4_k_m");
      await button(page, "Resume").click();
      convertedBy(large, join(folder, "resumed.gguf"), "--to", "gguf:q4_k_m");
      expect(await digest(page)).toBe(sha256sum(join(folder, "resumed.gguf")));
      // nothing is left to resume
      expect(await button(page, "Resume").count()).toBe(0);
      expect(built.complaints).toEqual([]);
    },
    2 * MINUTE,
  );

  it(
    "writes into a folder that was chosen, and refuses files that are there",
    async () => {
      const page = await built.open();
      await page.addInitScript(`globalThis.showDirectoryPicker = async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle("chosen", { create: true })`);
      await page.reload();
      await opened(page, join(folder, "kjv.gguf"));
      await planned(page, "gguf:q8_0");
      await page.getByRole("radio", { name: "A folder on this computer" }).click();
      await button(page, "Convert").click();
      convertedBy(join(folder, "kjv.gguf"), join(folder, "q8.gguf"), "--to", "gguf:q8_0");
      const wanted = sha256sum(join(folder, "q8.gguf"));
      expect(await digest(page)).toBe(wanted);
      const bytes = await page.evaluate(`(async () => {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle("chosen");
        const file = await (await folder.getFileHandle("kjv-q8_0.gguf")).getFile();
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
        return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      })()`);
      expect(bytes).toBe(wanted);
      await button(page, "Convert").click();
      await page
        .getByRole("region", { name: "Conversion" })
        .getByText(/exists already/)
        .waitFor();
      expect(built.complaints).toEqual([]);
    },
    2 * MINUTE,
  );

  it.each([
    ["an unknown target", "gguf:q4_k_x", undefined, []],
    ["exact with a loss", "gguf:q4_k_m", "Exact", ["--exact"]],
  ] as const)(
    "refuses %s with the words of the command",
    async (_, target, option, flags) => {
      const page = await built.open();
      await opened(page, kjv);
      if (option !== undefined) await page.getByLabel(option, { exact: true }).check();
      await page.getByLabel("Target", { exact: true }).fill(target);
      const finding = page.getByRole("list", { name: "Findings" }).getByRole("listitem").first();
      const shown = (await finding.locator("p").first().textContent()) ?? "";
      const { status, stderr } = command("plan", kjv, "--to", target, ...flags);
      expect(status).not.toBe(0);
      const [first = ""] = shown.replace(/^Error\s*/, "").split(/\.\s/);
      expect(stderr.replace(/\s+/g, " ")).toContain(first);
      expect(shown).not.toContain("`");
      expect(await button(page, "Convert").isDisabled()).toBe(true);
      expect(built.complaints).toEqual([]);
    },
    MINUTE,
  );

  it(
    "lists what fits into a memory as choose does",
    async () => {
      const page = await built.open();
      await opened(page, kjv);
      await page.getByLabel("Available", { exact: true }).fill("28MB");
      await page.getByText("What fits").first().click();
      const { stdout } = command("choose", kjv, "--context", "8192", "--memory", "28MB", "--json");
      const { choices } = JSON.parse(stdout) as { choices: readonly { target: string }[] };
      const wanted = choices.map(({ target }) => target);
      const table = page.getByRole("region", { name: "What fits" });
      await expect.poll(() => table.locator("tbody button").allTextContents()).toEqual(wanted);
      expect(wanted.length).toBeGreaterThan(3);
      expect(built.complaints).toEqual([]);
    },
    MINUTE,
  );

  it.skipIf(golden === undefined)(
    "makes of AutoAWQ's own checkpoint the GGUF that the command makes (needs REQUANT_GOLDEN)",
    async () => {
      const page = await built.open();
      const path = join(golden ?? "", "kjv/awq/awq-4bit-g128-gemm");
      await opened(page, path);
      await planned(page, "gguf:auto");
      await button(page, "Convert").click();
      convertedBy(path, join(folder, "golden.gguf"), "--to", "gguf:auto");
      expect(await digest(page)).toBe(sha256sum(join(folder, "golden.gguf")));
      expect(built.complaints).toEqual([]);
    },
    2 * MINUTE,
  );

  it(
    "shows what a choice changes",
    async () => {
      const page = await built.open();
      await opened(page, kjv);
      await planned(page, "gguf:q8_0");
      await page.getByLabel("Target", { exact: true }).fill("gguf:q4_k_m");
      const [before, after] = ["gguf:q8_0", "gguf:q4_k_m"].map((target) => reportOf(kjv, target));
      const types = new Map(before?.tensors.map(({ name, to }) => [name, to]));
      const changed = after?.tensors.filter(({ name, to }) => types.get(name) !== to) ?? [];
      await page.getByText(`${changed.length} tensors are stored in another way.`).waitFor();
      const [first] = changed;
      const row = page.getByRole("grid", { name: "Planned tensors" }).getByRole("row");
      const cells = row
        .filter({ hasText: first?.name ?? "" })
        .first()
        .getByRole("gridcell");
      const shown = await cells.allTextContents();
      expect([shown[3], shown[7]]).toEqual([first?.to, types.get(first?.name ?? "")]);
      expect(built.complaints).toEqual([]);
    },
    MINUTE,
  );

  it("builds a target from what the formats declare", async () => {
    const page = await built.open();
    await opened(page, kjv);
    await page.getByLabel("Format", { exact: true }).selectOption("gptq");
    await page.getByLabel("Bits", { exact: true }).selectOption("8bit");
    const field = page.getByLabel("Target", { exact: true });
    await expect.poll(() => field.inputValue()).toBe("gptq:8bit-128g-sym");
    await page.getByLabel("Group", { exact: true }).selectOption("32g");
    await expect.poll(() => field.inputValue()).toBe("gptq:8bit-32g-sym");
    await page.getByRole("grid", { name: "Planned tensors" }).waitFor();
    const { tensors } = reportOf(kjv, "gptq:8bit-32g-sym");
    await page.locator('.plan[aria-busy="false"]').getByText(`${tensors.length} tensors`).waitFor();
    expect(built.complaints).toEqual([]);
  });
});
