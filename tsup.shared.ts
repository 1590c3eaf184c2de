import { defineConfig } from "tsup";

/**
 * One build for every published package: ESM + CJS + types, no bundled dependencies.
 * `parts`: modules that get files of their own next to the entries'. A bundler drops a whole file that nobody asks
 * for, but keeps tables and scratch arrays inside one that somebody does.
 */
export function library(
  entry: Record<string, string>,
  parts: Record<string, string> = {},
): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry: { ...entry, ...parts },
    format: ["esm", "cjs"],
    target: "es2022",
    platform: "neutral",
    dts: { entry },
    clean: true,
    sourcemap: false,
    treeshake: true,
    splitting: true,
    external: [/^node:/, /^@requant\//, "zod"],
  });
}
