/** What a release refuses to publish, and what it refuses to pack. */
import { describe, expect, it } from "vitest";
import { librarySnippet } from "../scripts/release/quick-start.ts";
import { type ReleaseState, refusalsToPublish } from "../scripts/release/refusals.ts";
import { faultsOf, type Manifest } from "../scripts/release/tarballs.ts";

describe("publishing is refused", () => {
  const ready: ReleaseState = {
    versions: ["0.1.0", "0.1.0"],
    changes: [],
    tags: ["v0.1.0"],
    isCi: false,
    changesets: [],
  };

  it("not on a clean commit with the tag of its version, and not in CI", () => {
    expect(refusalsToPublish(ready)).toEqual([]);
    expect(refusalsToPublish({ ...ready, tags: [], isCi: true })).toEqual([]);
  });

  it.each<[string, Partial<ReleaseState>, RegExp]>([
    ["without a version", { versions: ["0.0.0"], tags: ["v0.0.0"] }, /still 0\.0\.0/],
    ["with several versions", { versions: ["0.1.0", "0.2.0"] }, /several versions: 0\.1\.0, 0\.2\.0/],
    ["with changed files", { changes: [" M README.md"] }, /not committed:\n {3}M README\.md/],
    ["with the tag of another version", { tags: ["v0.0.9"] }, /no tag v0\.1\.0/],
    ["with changesets that wait", { changesets: ["a.md"] }, /1 changesets are not in a version/],
  ])("%s", (_, change, message) => {
    expect(refusalsToPublish({ ...ready, ...change })).toEqual([expect.stringMatching(message)]);
  });
});

describe("a tarball is refused", () => {
  const manifest: Manifest = {
    name: "@requant/a",
    version: "0.1.0",
    exports: { ".": { import: { default: "./dist/index.js" } } },
    dependencies: { "@requant/b": "0.1.0", zod: "4.6.7" },
  };
  const files = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "dist/index.js", "dist/index.d.ts"];
  const versions = new Map([["@requant/b", "0.1.0"]]);
  const faults = (change: Partial<Manifest>, packed: readonly string[] = files): string[] =>
    faultsOf({ path: "a.tgz", manifest: { ...manifest, ...change }, files: packed }, versions);

  it("not when it holds what its manifest names", () => expect(faults({})).toEqual([]));

  it.each<[string, string[], RegExp]>([
    ["a source", [...files, "src/index.ts"], /src\/index\.ts must not be published/],
    ["a test", [...files, "dist/index.test.js"], /is a source or a test/],
    ["TypeScript", [...files, "dist/index.ts"], /is a source or a test/],
  ])("with %s", (_, packed, message) => {
    expect(faults({}, packed)).toEqual([expect.stringMatching(message)]);
  });

  it.each(["README.md", "LICENSE", "CHANGELOG.md", "dist/index.js"])("without %s", (missing) => {
    expect(
      faults(
        {},
        files.filter((file) => file !== missing),
      ),
    ).toEqual([expect.stringContaining(missing)]);
  });

  it.each<[string, Partial<Manifest>, RegExp]>([
    [
      "ranges of the workspace",
      { dependencies: { "@requant/b": "workspace:*" } },
      /is workspace:\*, not a version/,
    ],
    [
      "another version of its siblings",
      { dependencies: { "@requant/b": "0.2.0" } },
      /this release has 0\.1\.0/,
    ],
    ["an unknown sibling", { dependencies: { "@requant/c": "0.1.0" } }, /this release has no such package/],
    [
      "the condition for this repository's sources",
      { exports: { ".": { "@requant/source": "./dist/index.js", import: "./dist/index.js" } } },
      /condition @requant\/source/,
    ],
  ])("with %s", (_, change, message) => {
    expect(faults(change)).toEqual([expect.stringMatching(message)]);
  });
});

describe("the quick start of the README", () => {
  it("is the block that uses a package", () => {
    expect(librarySnippet('```sh\na\n```\n\n```ts\nimport { readGguf } from "@requant/gguf";\n```\n')).toBe(
      'import { readGguf } from "@requant/gguf";\n',
    );
    expect(() => librarySnippet("```ts\nlet a;\n```\n")).toThrow(/README\.md has no block/);
  });
});
