import { defineConfig } from "tsup";

export interface LibraryOptions {
  /**
   * Modules that get files of their own next to the entries' files. A bundler removes a file that is never imported, but
   * keeps all tables and scratch arrays of a file that is.
   */
  readonly parts?: Readonly<Record<string, string>>;
  /** `import.meta.url` in CommonJS. */
  readonly shims?: boolean;
}

/** One build for every published package: ESM + CJS + types, no bundled dependencies. */
export function library(
  entry: Record<string, string>,
  { parts = {}, shims = false }: LibraryOptions = {},
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
    shims,
    external: [/^node:/, /^@requant\//, "zod"],
  });
}
