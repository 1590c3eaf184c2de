import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "tsup";
import { directImports } from "../../scripts/direct-imports.ts";
import { joinChunks } from "../../scripts/join-chunks.ts";
import { licenceNotices } from "../../scripts/licence-notices.ts";
import { library } from "../../tsup.shared.ts";

/** The thread that a conversion with several jobs starts: looked for beside the file that starts it. */
const worker = resolve("../convert/src/run/workers/node-worker.ts");
/** The same for the threads of a forward pass. */
const thread = resolve("../calibrate/src/compute/node-thread.ts");

const chunks = resolve("node_modules/.cache/requant-command");
// commander is CommonJS and requires Node's own modules
const banner =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/**
 * The command is built with everything it needs inside: half of its start was resolving and loading the hundred
 * files of its dependencies. It is built from the sources of the other packages, because a file is what goes into one
 * chunk or another: each subcommand then loads the files that it uses, and not all that any of them uses. The many
 * chunks are then joined to a few files.
 * The library entry stays as in every other package.
 */
const command = defineConfig({
  entry: { bin: "src/bin.ts", "node-worker": worker, "node-thread": thread },
  outDir: chunks,
  format: ["esm"],
  target: "node20",
  platform: "node",
  // the library of the hub has WebAssembly of its own, and is used for uploads only
  external: ["@huggingface/hub"],
  noExternal: [/^(?!node:|@huggingface\/hub$)/],
  splitting: true,
  clean: true,
  dts: false,
  sourcemap: false,
  esbuildOptions(options) {
    options.metafile = true;
    options.conditions = ["@requant/source"];
    // whitespace only: names stay in stack traces
    options.minifyWhitespace = true;
  },
  esbuildPlugins: [
    directImports(resolve("..")),
    {
      // of the manifest, the command needs to know its version alone
      name: "version-only",
      setup(build) {
        build.onLoad({ filter: /[\\/]packages[\\/]cli[\\/]package\.json$/ }, ({ path }) => {
          const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
          return { contents: JSON.stringify({ version }), loader: "json" };
        });
      },
    },
    {
      name: "licence-notices",
      setup(build) {
        build.onEnd(({ metafile }) => {
          if (metafile === undefined) return;
          mkdirSync("dist", { recursive: true });
          writeFileSync(
            resolve("dist/THIRD-PARTY-NOTICES.txt"),
            licenceNotices(Object.keys(metafile.inputs)),
          );
        });
      },
    },
  ],
  onSuccess: () =>
    joinChunks({
      from: chunks,
      to: resolve("dist"),
      entries: ["bin", "node-worker", "node-thread"],
      levels: ["command", "inspect", "convert"],
      thread: "node-worker",
      banner,
    }),
});

export default [library({ index: "src/index.ts" }), command];
