import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { blobStore } from "@requant/core";
import { expect, it } from "vitest";
import { compareMetadata } from "../src/host/methods/compare.ts";
import { closeNumbered, openNumbered } from "../src/host/models.ts";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const config = JSON.parse(readFileSync(join(kjv, "config.json"), "utf8")) as Readonly<
  Record<string, unknown>
>;
const weights = new Blob([readFileSync(join(kjv, "model.safetensors"))]);

/** The bundled model with other settings. */
function openWith(settings: object): Promise<number> {
  const files = new Map([
    ["config.json", new Blob([JSON.stringify({ ...config, ...settings })])],
    ["model.safetensors", weights],
  ]);
  return openNumbered({ store: blobStore(files), file: undefined }, new AbortController().signal);
}

it("settings that differ are named by their places, as the list of metadata names them", async () => {
  const a = await openWith({ own: { inner: { width: 1, height: 2 }, list: [1, 2] }, note: "1", rope: {} });
  const b = await openWith({ own: { inner: { width: 3, height: 2 }, list: [1, 2] }, note: 1 });
  expect(await compareMetadata({ a, b })).toEqual([
    { key: "own.inner.width", a: "1", b: "3" },
    { key: "note", a: "string: 1", b: "number: 1" },
    { key: "rope", a: "{}", b: undefined },
  ]);
  await closeNumbered(a);
  await closeNumbered(b);
});
