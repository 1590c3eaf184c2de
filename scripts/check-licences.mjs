// Licences and install scripts of everything that is installed with a published package, and of the tools that make it.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
/** Licences that only require their own text to be kept. */
const permissive = new Set([
  "MIT",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "0BSD",
  "BlueOak-1.0.0",
]);
/** Tools are not shipped: their licences bind only changes of the tools. */
const tools = new Set([...permissive, "MPL-2.0", "CC0-1.0", "CC-BY-4.0", "Python-2.0", "Unlicense"]);
/** Optional packages whose script chooses a build for the system: what uses them works without it. */
const optionalBuilds = new Set(["msgpackr-extract"]);
const installScripts = ["preinstall", "install", "postinstall"];

const problems = [];

/** True when one way through "A OR B", or all of "A AND B", is allowed. */
function allows(list, licence) {
  const bare = licence.replace(/^\(|\)$/g, "");
  if (bare.includes(" OR ")) return bare.split(" OR ").some((part) => allows(list, part.trim()));
  return bare.split(" AND ").every((part) => list.has(part.trim()));
}

const read = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The folder of a dependency as Node would find it. */
function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (folder === dirname(folder)) return undefined;
  }
}

const shipped = new Map();
function walk(folder, manifest) {
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    if (name.startsWith("@requant/")) continue;
    const found = find(name, folder);
    if (found === undefined) {
      // of builds for many systems, only those for this one are installed
      if (manifest.optionalDependencies?.[name] === undefined)
        problems.push(`${manifest.name}: ${name} is not installed`);
      continue;
    }
    const own = read(found);
    const key = `${own.name}@${own.version}`;
    if (shipped.has(key)) continue;
    shipped.set(key, own.license);
    if (typeof own.license !== "string" || !allows(permissive, own.license))
      problems.push(
        `${key}, which ${manifest.name} installs, has the licence ${JSON.stringify(own.license)}`,
      );
    for (const script of installScripts)
      if (own.scripts?.[script] !== undefined && !optionalBuilds.has(own.name))
        problems.push(`${key}, which ${manifest.name} installs, runs a script on ${script}`);
    walk(found, own);
  }
}

for (const name of readdirSync(join(root, "packages")).sort()) {
  const folder = join(root, "packages", name);
  const manifest = read(folder);
  if (manifest.license !== "MIT") problems.push(`${manifest.name}: its licence is ${manifest.license}`);
  walk(folder, manifest);
}
for (const [key, licence] of [...shipped].sort()) console.log(`shipped  ${key}  ${licence}`);

const listed = JSON.parse(
  execFileSync("pnpm", ["licenses", "list", "--json"], { cwd: root, encoding: "utf8" }),
);
let count = 0;
for (const [licence, packages] of Object.entries(listed)) {
  count += packages.length;
  if (!allows(tools, licence))
    problems.push(`tools with the licence ${licence}: ${packages.map(({ name }) => name).join(", ")}`);
}
console.log(`${shipped.size} dependencies are shipped, ${count} packages are tools`);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
