/** The changesets that wait for the next release. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const manifests = readdirSync(join(root, "packages")).map((folder): { name: string; version: string } =>
  JSON.parse(read(`packages/${folder}/package.json`)),
);
/** Lines such as `"@requant/gguf": minor`. */
const bumps = readdirSync(join(root, ".changeset"))
  .filter((file) => file.endsWith(".md"))
  .flatMap((file) => {
    const [, head = ""] = read(`.changeset/${file}`).split("---\n");
    return head
      .trim()
      .split("\n")
      .map((line) => ({ file, name: line.split('"')[1], bump: line.split(": ")[1] }));
  });

describe("changesets", () => {
  it("name packages of this repository", () => {
    const names = manifests.map(({ name }) => name);
    expect(bumps.filter(({ name }) => name === undefined || !names.includes(name))).toEqual([]);
  });

  it("make no 1.0.0 by accident: before it, a breaking change is minor", () => {
    const isBefore = manifests.every(({ version }) => version.startsWith("0."));
    expect(
      bumps.filter(({ bump = "" }) => !(isBefore ? /^(minor|patch)$/ : /^(major|minor|patch)$/).test(bump)),
    ).toEqual([]);
  });

  it("all packages have one version", () =>
    expect(new Set(manifests.map(({ version }) => version)).size).toBe(1));
});
