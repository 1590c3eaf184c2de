/**
 * Joins the chunks of a bundle. esbuild makes a chunk of its own for each set of entries and `import()`s that share code;
 * for the command those are hundreds, and finding, reading and linking a hundred files took longer than what is in them.
 * Here, what is loaded together becomes one file.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { transform } from "esbuild";
import { type Plugin, rollup } from "rollup";

export interface JoinOptions {
  /** The folder of the bundle. */
  readonly from: string;
  /** Where the joined files go. */
  readonly to: string;
  /** Files that keep their names, without their extension. */
  readonly entries: readonly string[];
  /**
   * Names of `import()`ed modules, as esbuild names their chunks. Each level has what its module needs first and the levels
   * before it lack. What belongs to no level stays in files of its own.
   */
  readonly levels: readonly string[];
  /** The entry that runs in threads. What it shares with a level is a file of its own, so that it loads no more than it needs. */
  readonly thread: string;
  readonly banner: string;
}

export async function joinChunks({ from, to, entries, levels, thread, banner }: JoinOptions): Promise<void> {
  const chunks = await readChunks(from);
  const isEntry = new Set(entries.map((name) => `${name}.js`));
  const inThread = closure(chunks, `${thread}.js`);
  const needs = levels.map((name) => [name, closure(chunks, chunkNamed(chunks, name))] as const);
  const groupOf = (file: string): string | undefined => {
    if (isEntry.has(file)) return undefined;
    const level = needs.find(([, files]) => files.has(file))?.[0];
    if (!inThread.has(file)) return level;
    return level === undefined ? thread : `${thread}-${level}`;
  };
  const bundle = await rollup({
    input: Object.fromEntries(entries.map((name) => [name, join(from, `${name}.js`)])),
    // what esbuild kept is needed
    treeshake: false,
    external: (id) => !/^[./]/.test(id) && !id.startsWith(from),
    plugins: [compact],
    onLog: (level, { message }) => {
      if (level === "warn") throw new Error(message);
    },
  });
  try {
    await bundle.write({
      dir: to,
      format: "es",
      banner,
      entryFileNames: "[name].js",
      // esbuild's names have a hash
      chunkFileNames: ({ name }) => (esbuildName.test(name) ? "[name].js" : "[name]-[hash].js"),
      manualChunks: (id) => groupOf(basename(id)),
      generatedCode: "es2015",
      minifyInternalExports: false,
      hoistTransitiveImports: false,
    });
  } finally {
    await bundle.close();
  }
}

/** White space only: names stay in stack traces. */
const compact: Plugin = {
  name: "compact",
  renderChunk: async (code) => {
    const made = await transform(code, { minifyWhitespace: true, target: "node20", format: "esm" });
    return { code: made.code };
  },
};

type Chunks = ReadonlyMap<string, string>;

async function readChunks(folder: string): Promise<Chunks> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".js"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return new Map(names.map((name, i) => [name, texts[i] ?? ""]));
}

const esbuildName = /-[0-9A-Z]{8}$/;

/** The chunk that esbuild made for an `import()` of a module with this name. */
function chunkNamed(chunks: Chunks, name: string): string {
  const found = [...chunks.keys()].filter(
    (file) => file.startsWith(`${name}-`) && esbuildName.test(basename(file, ".js")),
  );
  const [file] = found;
  if (file === undefined || found.length > 1) throw new Error(`There are ${found.length} chunks "${name}".`);
  return file;
}

/** A chunk and all that it loads before it runs. */
function closure(chunks: Chunks, file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, needed] of (chunks.get(file) ?? "").matchAll(/(?:from|import)"\.\/([^"]+)"/g)) {
    if (needed !== undefined) closure(chunks, needed, seen);
  }
  return seen;
}
