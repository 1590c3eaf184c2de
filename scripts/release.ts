// Publishes all packages, or with --dry-run does everything up to that: packs them, checks the tarballs, installs them
// in an empty project, and runs the README's quick start there in this Node, in the oldest supported one, and in each
// that --node names.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  commandQuickStart,
  installAll,
  libraryQuickStart,
  librarySnippet,
  loadEntries,
  runtime,
} from "./release/quick-start.ts";
import { refusalsToPublish } from "./release/refusals.ts";
import { faultsOf, type Manifest, packAll, publishedManifests } from "./release/tarballs.ts";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    node: { type: "string", multiple: true, default: [] },
  },
});

function dryRun(manifests: readonly Manifest[]): void {
  const folder = mkdtempSync(join(tmpdir(), "requant-release-"));
  try {
    const tarballs = packAll(root, folder);
    const versions = new Map(manifests.map(({ name, version }) => [name, version]));
    const faults = tarballs.flatMap((tarball) => faultsOf(tarball, versions));
    if (tarballs.length !== manifests.length)
      faults.push(`${tarballs.length} packages were packed, but ${manifests.length} are to be published.`);
    if (faults.length > 0) throw new Error(faults.join("\n"));
    console.log(`packed ${tarballs.length} packages, version ${[...new Set(versions.values())].join(", ")}`);

    const project = join(folder, "project");
    installAll(tarballs, project);
    console.log("installed them with npm in an empty project");
    const oldest = join(root, "test/oldest-node/node_modules/node/bin/node");
    if (!existsSync(oldest)) console.log("the oldest supported Node is not installed here: skipped");
    const runtimes = [process.execPath, oldest, ...values.node]
      .filter((path) => existsSync(path))
      .map(runtime);
    const versionsOfNode = new Map(runtimes.map((at) => [at.version, at]));
    for (const at of versionsOfNode.values()) {
      for (const made of ["model", "model.gguf", "exact.gguf", "back"])
        rmSync(join(project, made), { recursive: true, force: true });
      commandQuickStart(at, project, join(root, "fixtures/kjv/hf"));
      const printed = libraryQuickStart(
        at,
        project,
        librarySnippet(readFileSync(join(root, "README.md"), "utf8")),
      );
      const count = loadEntries(at, project, tarballs);
      console.log(`Node ${at.version}: inspect, convert and verify; ${count} entries as ESM and CommonJS;`);
      console.log(`  the README's program prints: ${printed}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function publish(manifests: readonly Manifest[]): void {
  const git = (...args: string[]): string[] =>
    execFileSync("git", args, { cwd: root, encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "");
  const refusals = refusalsToPublish({
    versions: manifests.map(({ version }) => version),
    changes: git("status", "--porcelain"),
    tags: git("tag", "--points-at", "HEAD"),
    isCi: process.env["CI"] === "true",
    changesets: readdirSync(join(root, ".changeset")).filter((file) => file.endsWith(".md")),
  });
  if (refusals.length > 0) throw new Error(["Nothing was published:", ...refusals].join("\n"));
  execFileSync("pnpm", ["exec", "changeset", "publish"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
}

try {
  const manifests = publishedManifests(root);
  if (values["dry-run"]) dryRun(manifests);
  else publish(manifests);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
