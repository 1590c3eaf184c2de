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
  /**
   * The entry that runs in threads. What it shares with a level is a file of its own, so that it loads no more than it needs. What it
   * may `import()`, and a level has, too, is a file for each level and each set of such modules: a level would run the command in the
   * thread.
   */
  readonly thread: string;
  readonly banner: string;
}

export async function joinChunks({ from, to, entries, levels, thread, banner }: JoinOptions): Promise<void> {
  const chunks = await readChunks(from);
  const isEntry = new Set(entries.map((name) => `${name}.js`));
  const inThread = closure(chunks, `${thread}.js`);
  const later = importedLater(chunks, inThread);
  const first = entries.map((name) => ({ name, files: closure(chunks, `${name}.js`) }));
  const needs = levels.map((name) => [name, closure(chunks, chunkNamed(chunks, name))] as const);
  const groupOf = (file: string): string | undefined => {
    if (isEntry.has(file)) return undefined;
    const level = needs.find(([, files]) => files.has(file))?.[0];
    if (inThread.has(file)) return level === undefined ? thread : `${thread}-${level}`;
    // what an entry shares with a level must not load the level
    const entry = first.find(({ files }) => files.has(file));
    if (entry !== undefined) return `${entry.name}-first`;
    const own = level === undefined ? [] : later.filter(({ files }) => files.has(file));
    return own.length === 0 ? level : [thread, level, ...own.map(({ name }) => name)].join("-");
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
  for (const needed of named(chunks, file, /(?:from|import)"\.\/([^"]+)"/g)) closure(chunks, needed, seen);
  return seen;
}

interface Later {
  /** Of the module. */
  readonly name: string;
  /** Its chunk and what that loads before it runs. */
  readonly files: ReadonlySet<string>;
}

/** What these chunks, and what they load later, may `import()`. */
function importedLater(chunks: Chunks, files: ReadonlySet<string>): Later[] {
  const found = new Map<string, Later>();
  const waiting = [...files];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const target of named(chunks, file, /import\("\.\/([^"]+)"\)/g)) {
      if (found.has(target)) continue;
      const own = closure(chunks, target);
      found.set(target, { name: basename(target, ".js").replace(esbuildName, ""), files: own });
      for (const needed of own) waiting.push(needed);
    }
  }
  return [...found.values()];
}

/** The other chunks that a chunk names so. */
function named(chunks: Chunks, file: string, how: RegExp): string[] {
  return [...(chunks.get(file) ?? "").matchAll(how)].flatMap(([, name]) => name ?? []);
}
