// Packs each package as a user would install it, and checks it with publint, are-the-types-wrong and Requant's own rules.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

/** Where the sources are. */
const ADDRESS = "https://github.com/requant/requant";

/** Installing a package must run no script, and publishing it must record where it was built. */
function ownRules(manifest, folder, packed) {
  const faults = ["preinstall", "install", "postinstall", "prepare", "prepublish"]
    .filter((script) => manifest.scripts?.[script] !== undefined)
    .map((script) => `it runs a script on ${script}`);
  if (manifest.publishConfig?.provenance !== true) faults.push("publishConfig.provenance is not true");
  if (manifest.publishConfig?.access !== "public") faults.push("publishConfig.access is not public");
  if (manifest.repository?.directory !== folder) faults.push(`repository.directory is not ${folder}`);
  if (manifest.repository?.url !== `git+${ADDRESS}.git`)
    faults.push(`repository.url is not git+${ADDRESS}.git`);
  const page = `${ADDRESS}/tree/main/${folder}#readme`;
  if (manifest.homepage !== page) faults.push(`homepage is not ${page}`);
  if (manifest.bugs?.url !== `${ADDRESS}/issues`) faults.push(`bugs.url is not ${ADDRESS}/issues`);
  if (!(manifest.keywords?.length > 0)) faults.push("keywords are missing");
  if (!manifest.files?.includes("CHANGELOG.md")) faults.push("files does not name CHANGELOG.md");
  for (const file of packed)
    if (!/^(dist\/|man\/[^/]+\.1$|README\.md$|LICENSE$|package\.json$|CHANGELOG\.md$)/.test(file))
      faults.push(`it would publish ${file}`);
  return faults;
}

/** Names in a tarball, without their first folder. */
function filesOf(tarball) {
  const listing = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" });
  return listing
    .split("\n")
    .flatMap((line) => (line === "" || line.endsWith("/") ? [] : [line.replace(/^[^/]+\//, "")]));
}

/** The most bytes of a package's kernels, gzipped, which a page must download. */
const WASM_LIMIT = 40_000;

/** The kernels of a package, gzipped; undefined where it has none. */
function wasmByteLength(folder) {
  const file = join(folder, "src/generated/kernels.ts");
  if (!existsSync(file)) return undefined;
  const [, base64] = /"([A-Za-z0-9+/=]{100,})"/.exec(readFileSync(file, "utf8"));
  const wasm = Buffer.from(base64, "base64");
  if (!WebAssembly.validate(wasm)) throw new Error(`${file} holds no valid module`);
  return gzipSync(wasm, { level: 9 }).byteLength;
}

const root = resolve(import.meta.dirname, "..");
const out = mkdtempSync(join(tmpdir(), "requant-pack-"));
let problems = 0;
try {
  for (const name of readdirSync(join(root, "packages")).sort()) {
    const folder = join(root, "packages", name);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const before = new Set(readdirSync(out));
    execFileSync("pnpm", ["pack", "--pack-destination", out], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const tarball = join(
      out,
      readdirSync(out).find((file) => !before.has(file)),
    );
    const bytes = readFileSync(tarball);
    for (const fault of ownRules(manifest, `packages/${name}`, filesOf(tarball))) {
      problems += 1;
      console.error(`${manifest.name}: ${fault}`);
    }

    const { messages, pkg } = await publint({
      pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
      strict: true,
    });
    for (const message of messages) {
      problems += 1;
      console.error(`${manifest.name}: publint: ${formatMessage(message, pkg)}`);
    }
    // a page has no modules for others, and no types
    const isLibrary = manifest.exports["."] !== undefined;
    try {
      if (isLibrary)
        execFileSync(
          "pnpm",
          ["exec", "attw", tarball, "--profile", "node16", "--format", "ascii", "--no-emoji"],
          {
            cwd: root,
            stdio: "pipe",
          },
        );
    } catch (error) {
      problems += 1;
      console.error(`${manifest.name}: attw:\n${error.stdout}`);
    }
    const wasm = wasmByteLength(folder);
    if (wasm > WASM_LIMIT) {
      problems += 1;
      console.error(`${manifest.name}: ${wasm} bytes of wasm, gzipped; at most ${WASM_LIMIT} are allowed`);
    }
    const kernels = wasm === undefined ? "" : `, ${(wasm / 1024).toFixed(1)} kB of wasm gzipped`;
    console.log(`${manifest.name}: ${(statSync(tarball).size / 1024).toFixed(1)} kB packed${kernels}`);
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
if (problems > 0) {
  console.error(`${problems} problem(s)`);
  process.exit(1);
}
