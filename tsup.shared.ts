import { defineConfig } from "tsup";

/** One build for every published package: ESM + CJS + types, no bundled dependencies. */
export function library(
  entry: Record<string, string>,
  options: { readonly shims?: boolean } = {},
): ReturnType<typeof defineConfig> {
  return defineConfig({
    ...options,
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
