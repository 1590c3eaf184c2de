// Builds dist/executable/requant: the command, its worker threads and the page inside a copy of this Node.
// Needs a built page (pnpm run build). For the platform that runs it; Node calls this a single executable application.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { inject } from "postject";
import { directImports } from "./direct-imports.ts";
import { licenceNotices } from "./licence-notices.ts";

const root = resolve(import.meta.dirname, "..");
const packages = join(root, "packages");
const out = join(root, "dist/executable");
const parts = join(out, "parts");
const executable = join(out, process.platform === "win32" ? "requant.exe" : "requant");
/** Node looks for this text to see whether it has a program inside. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Files whose places are taken by files of scripts/executable. */
const replaced: Readonly<Record<string, string>> = {
  "cli/src/page-files.ts": "page-files.ts",
  "calibrate/src/compute/node-adapter.ts": "node-adapter.ts",
};
/** Files that start workers. */
const starters = ["convert/src/run/workers/node.ts", "calibrate/src/compute/node.ts"];
const inPackages = (path: string): string => path.slice(packages.length + 1).replaceAll("\\", "/");

const fromInside: Plugin = {
  name: "from-inside",
  setup(builder) {
    builder.onLoad({ filter: /[/\\]packages[/\\].*\.ts$/ }, ({ path }) => {
      const name = replaced[inPackages(path)];
      if (name === undefined) return undefined;
      return {
        contents: `export * from ${JSON.stringify(join(import.meta.dirname, "executable", name))};`,
        loader: "ts",
      };
    });
    builder.onResolve({ filter: /^node:worker_threads$/ }, ({ importer }) =>
      starters.includes(inPackages(importer))
        ? { path: join(import.meta.dirname, "executable/worker.ts") }
        : undefined,
    );
  },
};

async function bundle(entry: string, outfile: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    // the main program of a single executable application is CommonJS
    format: "cjs",
    platform: "node",
    target: "node24",
    conditions: ["@requant/source"],
    minifyWhitespace: true,
    metafile: true,
    logLevel: "warning",
    absWorkingDir: root,
    define: { "import.meta.url": "__url" },
    banner: { js: 'const __url = require("node:url").pathToFileURL(process.execPath).href;' },
    plugins: [fromInside, directImports(packages)],
  });
  return Object.keys(metafile.inputs).map((file) => join(root, file));
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Installations from nodejs.org have the text beside the folder of the program. */
function nodeLicence(program: string): string {
  const file = resolve(dirname(program), process.platform === "win32" ? "LICENSE" : "../LICENSE");
  const isThere = existsSync(file) && readFileSync(file, "utf8").startsWith("Node.js is licensed");
  if (isThere) return readFileSync(file, "utf8");
  return `Node.js ${process.version}: https://github.com/nodejs/node/blob/${process.version}/LICENSE\n`;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(parts, { recursive: true });
const main = join(parts, "main.cjs");
const workers: Readonly<Record<string, string>> = {
  "node-worker.js": join(packages, "convert/src/run/workers/node-worker.ts"),
  "node-thread.js": join(packages, "calibrate/src/compute/node-thread.ts"),
};
const inputs = await bundle(join(import.meta.dirname, "executable/entry.ts"), main);
for (const [name, entry] of Object.entries(workers)) {
  for (const input of await bundle(entry, join(parts, name))) inputs.push(input);
}

const page = join(packages, "web/dist");
const assets = Object.fromEntries([
  ...Object.keys(workers).map((name) => [name, join(parts, name)]),
  ...filesOf(page).map((file) => [`page/${file.slice(page.length + 1).replaceAll("\\", "/")}`, file]),
]);
const config = join(parts, "sea.json");
const blob = join(parts, "program.blob");
writeFileSync(
  config,
  JSON.stringify({ main, output: blob, assets, disableExperimentalSEAWarning: true, useCodeCache: true }),
);
const node = realpathSync(process.execPath);
execFileSync(node, ["--experimental-sea-config", config], { stdio: ["ignore", "ignore", "inherit"] });

copyFileSync(node, executable);
chmodSync(executable, 0o755);
const isMac = process.platform === "darwin";
if (isMac) execFileSync("codesign", ["--remove-signature", executable], { stdio: "inherit" });
await inject(executable, "NODE_SEA_BLOB", readFileSync(blob), {
  sentinelFuse: FUSE,
  ...(isMac ? { machoSegmentName: "NODE_SEA" } : {}),
});
if (isMac) execFileSync("codesign", ["--sign", "-", executable], { stdio: "inherit" });
writeFileSync(join(out, "THIRD-PARTY-NOTICES.txt"), licenceNotices(inputs, ["gearhash-jit"]));
writeFileSync(join(out, "NODE-LICENSE.txt"), nodeLicence(node));
rmSync(parts, { recursive: true, force: true });
console.log(`dist/executable: requant for ${process.platform}-${process.arch}, with Node ${process.version}`);
