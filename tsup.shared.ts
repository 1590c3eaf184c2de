import { defineConfig } from "tsup";

/** One build for every published package: ESM + CJS + types, no bundled dependencies. */
export function library(entry: Record<string, string>): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry,
    format: ["esm", "cjs"],
    target: "es2022",
    platform: "neutral",
    dts: true,
    clean: true,
    sourcemap: false,
    treeshake: true,
    splitting: true,
    external: [/^node:/, /^@requant\//, "zod"],
  });
}
