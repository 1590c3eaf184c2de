// Compiles packages/<name>/assembly/index.ts to packages/<name>/src/generated/kernels.ts: the module as base64.
// Usage: node scripts/build-kernels.mjs [name …]; all packages with kernels when none is named.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import asc from "assemblyscript/asc";

const root = resolve(import.meta.dirname, "..");

/**
 * All modules share one memory (packages/core/src/kernels/memory.ts), so each has a range of its own for constants and
 * scratch. Below the first range is the place of descriptors. The last end is STATIC_BYTE_LENGTH there. Tables that are
 * too large for a range, such as the codebooks of the IQ types, are placed behind the ranges on first use.
 */
const KIB = 1024;
const ranges = {
  convert: [KIB / 2, KIB],
  core: [1 * KIB, 8 * KIB],
  gguf: [32 * KIB, 383 * KIB],
  gptq: [384 * KIB, 416 * KIB],
  awq: [416 * KIB, 448 * KIB],
  exl2: [448 * KIB, 464 * KIB],
  mxfp: [464 * KIB, 480 * KIB],
  "compressed-tensors": [480 * KIB, 504 * KIB],
  bitsandbytes: [504 * KIB, 512 * KIB],
};

/** A second module of a package in the shared memory, which has a range of its own, too. */
const seconds = {
  core: { entry: "hidden-index", range: [8 * KIB, 32 * KIB], file: "hidden-kernels", flags: [] },
  gguf: { entry: "header-index", range: [383 * KIB, 384 * KIB], file: "header-kernels", flags: [] },
};

/**
 * Modules with a memory of their own, beside or in place of their package's kernels: the solver's, and those of the forward
 * pass, whose memory threads share. `files`: what is made, with further features.
 */
const ownMemories = {
  core: { entry: "solve-index", range: [1 * KIB, 32 * KIB], files: { "solve-kernels": [] } },
  calibrate: {
    entry: "index",
    range: [1 * KIB, 16 * KIB],
    sharedPages: 65536,
    files: { kernels: [], "relaxed-kernels": ["relaxed-simd"] },
  },
};

async function buildAll(name) {
  if (ranges[name] !== undefined)
    await build(name, { entry: "index", range: ranges[name], file: "kernels", flags: [] });
  if (seconds[name] !== undefined) await build(name, seconds[name]);
  const { entry, range, files = {}, sharedPages } = ownMemories[name] ?? {};
  for (const [file, features] of Object.entries(files)) {
    const flags = features.flatMap((feature) => ["--enable", feature]);
    if (sharedPages !== undefined) {
      flags.push("--enable", "threads", "--sharedMemory", "--maximumMemory", String(sharedPages));
      flags.push("--initialMemory", "1");
    }
    await build(name, { entry, range, file, flags, sharedPages });
  }
}

async function build(name, { entry, range: [start, end], file, flags, sharedPages }) {
  const folder = join(root, "packages", name);
  let wasm;
  const files = new Map();
  const { error, stderr } = await asc.main(
    [
      `assembly/${entry}.ts`,
      "--outFile",
      "kernels.wasm",
      ...(process.env.REQUANT_KERNELS_WAT ? ["--textFile", "kernels.wat"] : []),
      "--baseDir",
      folder,
      "-O3",
      "--converge",
      "--enable",
      "simd",
      "--runtime",
      "stub",
      "--noAssert",
      "--importMemory",
      "--zeroFilledMemory",
      "--noExportMemory",
      "--memoryBase",
      String(start),
      ...flags,
    ],
    {
      readFile(path, baseDir) {
        const file = resolve(baseDir, path);
        return existsSync(file) ? readFileSync(file, "utf8") : null;
      },
      writeFile(path, contents) {
        files.set(path, contents);
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`${name}: ${stderr.toString()}${error.message}`);
  wasm = files.get("kernels.wasm");
  if (process.env.REQUANT_KERNELS_WAT) {
    writeFileSync(join(process.env.REQUANT_KERNELS_WAT, `${name}-${file}.wat`), files.get("kernels.wat"));
    writeFileSync(join(process.env.REQUANT_KERNELS_WAT, `${name}-${file}.wasm`), wasm);
  }
  // a Node that lacks a feature cannot run the module; its constants are those of the module without the feature
  const used = WebAssembly.validate(wasm) ? staticEnd(wasm, sharedPages) : start;
  if (used > end) throw new Error(`${name}: constants and scratch end at ${used}, its range at ${end}`);
  const target = join(folder, `src/generated/${file}.ts`);
  const text = `// Made by scripts/build-kernels.mjs from ../../assembly. Do not edit.\nexport const wasm: string =\n  "${Buffer.from(wasm).toString("base64")}";\n`;
  mkdirSync(join(folder, "src/generated"), { recursive: true });
  if (!existsSync(target) || readFileSync(target, "utf8") !== text) writeFileSync(target, text);
  console.log(`${relative(root, target)}: ${wasm.length} bytes of wasm, memory up to ${used} of ${end}`);
}

/** The first address that the module does not use. */
function staticEnd(wasm, sharedPages) {
  const memory = new WebAssembly.Memory(
    sharedPages === undefined ? { initial: 16 } : { initial: 16, maximum: sharedPages, shared: true },
  );
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { memory } });
  return exports.staticEnd();
}

const named = process.argv.slice(2);
const names =
  named.length > 0
    ? named
    : Object.keys({ ...ranges, ...ownMemories }).filter((name) =>
        existsSync(join(root, "packages", name, "assembly/index.ts")),
      );
for (const name of names) await buildAll(name);
