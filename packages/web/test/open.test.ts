/** Opening models and looking at their headers, in the built page in Chromium. */
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuiltPage, whyNoPage } from "./page.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

describe.skipIf(whyNoPage !== undefined)(`opening (skipped: ${whyNoPage ?? ""})`, () => {
  let built: BuiltPage;
  beforeAll(async () => {
    built = await BuiltPage.start();
  });
  afterAll(() => built.close());

  it("shows facts, tensors and findings of a chosen file, and nothing on the console", async () => {
    const page = await built.open();
    await page
      .getByLabel("Open files")
      .setInputFiles([join(kjv, "config.json"), join(kjv, "model.safetensors")]);
    await page.getByRole("tab", { name: "Tensors" }).click();
    const grid = page.getByRole("grid", { name: "Tensors" });
    await grid.getByText("model.layers.0.self_attn.q_proj.weight").waitFor();
    expect(built.complaints).toEqual([]);
    await page.getByRole("tab", { name: "Overview" }).click();
  });
});
