/** Packs the published packages as `pnpm publish` would, and checks what is inside. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The parts of a package.json that a release looks at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
  readonly man?: string | readonly string[];
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Tarball {
  readonly path: string;
  readonly manifest: Manifest;
  /** Paths inside, without the first folder. */
  readonly files: readonly string[];
}

/** The package.json of every package that is published. */
export function publishedManifests(root: string): Manifest[] {
  return readdirSync(join(root, "packages"))
    .sort()
    .map(
      (folder): Manifest => JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")),
    )
    .filter((manifest) => manifest.private !== true);
}

/** Packs all packages into a folder. */
export function packAll(root: string, folder: string): Tarball[] {
  execFileSync("pnpm", ["--recursive", "--filter", "./packages/*", "pack", "--pack-destination", folder], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  return readdirSync(folder)
    .filter((file) => file.endsWith(".tgz"))
    .sort()
    .map((file) => readTarball(join(folder, file)));
}

function readTarball(path: string): Tarball {
  const tar = (...args: string[]): string =>
    execFileSync("tar", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return {
    path,
    manifest: JSON.parse(tar("-xzOf", path, "package/package.json")),
    files: tar("-tzf", path)
      .split("\n")
      .flatMap((line) => (line === "" || line.endsWith("/") ? [] : [line.trim().replace(/^package\//, "")])),
  };
}

/** What a package may consist of. */
const ALLOWED = /^(dist\/|man\/[a-z-]+\.1$|README\.md$|LICENSE$|package\.json$|CHANGELOG\.md$)/;
const SOURCES = /(^|\/)(src|test|tests|assembly|fixtures)\/|\.test\.|(?<!\.d)\.[cm]?ts$|\.tsx$/;

/** All files that the exports, the command and the manual page of a package name. */
function namedFiles({ exports, bin = {}, man = [] }: Manifest): string[] {
  const targets = (value: unknown): string[] => {
    if (typeof value === "string") return [value];
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(targets) : [];
  };
  return [...targets(exports), ...targets(bin), ...targets(man)].map((path) => path.replace(/^\.\//, ""));
}

/** What is wrong with a tarball, in sentences. `versions`: those of all packages of this release. */
export function faultsOf({ manifest, files }: Tarball, versions: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const fault = (text: string): unknown => faults.push(`${manifest.name}: ${text}`);
  for (const file of files) {
    if (!ALLOWED.test(file)) fault(`${file} must not be published.`);
    else if (SOURCES.test(file)) fault(`${file} is a source or a test.`);
  }
  for (const file of ["README.md", "LICENSE"]) if (!files.includes(file)) fault(`${file} is missing.`);
  if (manifest.version !== "0.0.0" && !files.includes("CHANGELOG.md")) fault("CHANGELOG.md is missing.");
  for (const file of namedFiles(manifest))
    if (!files.includes(file)) fault(`package.json names ${file}, which is not in the package.`);
  if (JSON.stringify(manifest.exports).includes("@requant/source"))
    fault("exports still has the condition @requant/source, which is for this repository only.");
  const { dependencies, peerDependencies, optionalDependencies } = manifest;
  for (const [name, range] of Object.entries({
    ...dependencies,
    ...peerDependencies,
    ...optionalDependencies,
  })) {
    if (/^(workspace|catalog|link|file):/.test(range))
      fault(`the range of ${name} is ${range}, not a version.`);
    else if (name.startsWith("@requant/") && range !== versions.get(name))
      fault(`it needs ${name} ${range}, but this release has ${versions.get(name) ?? "no such package"}.`);
  }
  return faults;
}
