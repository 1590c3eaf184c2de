/** A stand-in hub with a few repositories, and an environment in which it is the hub, for the tests of a file. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { MetadataValue } from "@requant/core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { type StandInHub, standInHub } from "../../../fixtures/stand-in-hub.ts";
import { tinyGguf, tinyMetadata } from "../../../fixtures/tiny-gguf.ts";
import { type Result, requant } from "./run.ts";

export const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
export const folder = mkdtempSync(join(tmpdir(), "requant-hub-"));
const environment = process.env;
export const floats = Object.fromEntries(
  readdirSync(hf).map((name) => [name, new Uint8Array(readFileSync(join(hf, name)))]),
);

/** A model whose name says which file it is. */
export function named(name: string): Uint8Array {
  const value: MetadataValue = { type: "string", value: name };
  return tinyGguf(new Map([...tinyMetadata, ["general.name", value]]));
}

/** Of this test file. */
export let hub: StandInHub;
/** Fresh for each test: HF_HOME, with cache and token. */
export let home: string;

beforeAll(async () => {
  const whole = join(folder, "whole.gguf");
  writeFileSync(whole, named("split"));
  const parts = join(folder, "parts");
  mkdirSync(parts);
  const { status, err } = await requant("split", whole, parts, "--max-tensors", "5");
  expect(status, err).toBe(0);
  const split = Object.fromEntries(
    readdirSync(parts).map((name) => [
      `F32/m-F32-${/\d{5}-of-\d{5}\.gguf$/.exec(name)?.[0]}`,
      new Uint8Array(readFileSync(join(parts, name))),
    ]),
  );
  const ggufs = {
    "README.md": new TextEncoder().encode("# models"),
    "m-Q4_K_M.gguf": named("four"),
    "m-Q8_0.gguf": named("eight and more"),
    "mmproj-F16.gguf": named("vision"),
    ...split,
  };
  hub = await standInHub({
    "owner/floats": { files: floats },
    "owner/many": { files: ggufs, revisions: ["main", "v2"] },
    "owner/one": { files: { "m.gguf": named("one"), "mmproj-F16.gguf": named("vision") } },
    "owner/gated": { files: ggufs, access: "gated" },
    "owner/private": { files: floats, access: "private" },
  });
});
afterAll(() => {
  hub.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  home = mkdtempSync(join(folder, "home-"));
  hub.asked.length = 0;
  hub.fault = () => false;
  process.env = { ...environment, HF_ENDPOINT: hub.endpoint, HF_HOME: home };
  for (const name of [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
  ])
    delete process.env[name];
});
afterEach(() => {
  process.env = environment;
});

export const cacheOf = (repository: string): string =>
  join(home, "hub", `models--${repository.replace("/", "--")}`);
export const filesAsked = (): string[] => hub.paths().filter((path) => path.includes("/resolve/"));

export async function done(...argv: string[]): Promise<Result> {
  const result = await requant(...argv);
  expect(result.status, result.err).toBe(0);
  return result;
}

export async function nameOf(...argv: string[]): Promise<unknown> {
  const { out } = await done("inspect", ...argv, "--metadata", "--json");
  const entries: { key: string; value: unknown }[] = JSON.parse(out).metadata;
  return entries.find(({ key }) => key === "general.name")?.value;
}

export async function refused(...argv: string[]): Promise<{ status: number; message: string; hint: string }> {
  const { status, out, err } = await requant(...argv, "--json");
  expect(`${out}${err}`).not.toMatch(/hf_standIn/);
  return { status, ...JSON.parse(err).error };
}
