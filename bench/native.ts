/**
 * Real llama.cpp, as node-llama-cpp ships it: libggml-base, built without flags for newer processors, which is the
 * reference for bytes and for speed, and libllama. Shared by all benchmarks.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import koffi from "koffi";

export interface NativeGgml {
  readonly version: string;
  quantize(
    type: number,
    values: Float32Array,
    out: Uint8Array,
    rows: number,
    columns: number,
    importance: Float32Array | null,
  ): void;
  /** Undefined where the library has no such function. */
  dequantizer(name: string): ((from: Uint8Array, to: Float32Array, count: number) => void) | undefined;
}

/** Paths of what `llama_model_quantize` needs. */
export interface NativeLlama {
  readonly folder: string;
  readonly ggml: string;
  readonly llama: string;
}

const builds: Readonly<Record<string, readonly string[]>> = {
  "linux-x64": ["linux-x64"],
  "linux-arm64": ["linux-arm64"],
  "darwin-arm64": ["mac-arm64-metal"],
  "darwin-x64": ["mac-x64"],
  "win32-x64": ["win-x64"],
  "win32-arm64": ["win-arm64"],
};

/** The folder with the libraries for this machine. */
function libraryFolder(): string | undefined {
  const fromHere = createRequire(import.meta.url);
  let fromClient: NodeJS.Require;
  try {
    fromClient = createRequire(fromHere.resolve("node-llama-cpp"));
  } catch {
    return undefined;
  }
  return (builds[`${process.platform}-${process.arch}`] ?? [])
    .flatMap((build) => {
      const inside = `@node-llama-cpp/${build}/bins/${build}`;
      return fromClient.resolve.paths(inside)?.map((folder) => join(folder, inside)) ?? [];
    })
    .find((folder) => existsSync(folder));
}

/** `lib<name>.so`, `.dylib` or `<name>.dll`, with or without a version inside. */
function library(folder: string, name: string): string | undefined {
  const pattern = new RegExp(`^(?:lib)?${name}(?:\\.v?[\\d.]+)?\\.(?:so|dylib|dll)$`);
  const file = readdirSync(folder).find((entry) => pattern.test(entry));
  return file === undefined ? undefined : join(folder, file);
}

const dequantizers: Readonly<Record<string, string>> = {
  F16: "ggml_fp16_to_fp32_row",
  BF16: "ggml_bf16_to_fp32_row",
};

/** Loaded once: the library must not be loaded again after the engine has collected it as garbage. */
let loaded: NativeGgml | undefined;

/** Undefined where node-llama-cpp has no library for this machine. */
export function findNativeGgml(): NativeGgml | undefined {
  loaded ??= loadNativeGgml();
  return loaded;
}

function loadNativeGgml(): NativeGgml | undefined {
  const folder = libraryFolder();
  const path = folder === undefined ? undefined : library(folder, "ggml-base");
  if (path === undefined) return undefined;
  const base = koffi.load(path);
  const chunk = base.func(
    "size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t rowLength, const float *imatrix)",
  );
  return {
    version: String(base.func("const char *ggml_version()")()),
    quantize(type, values, out, rows, columns, importance) {
      chunk(type, values, out, 0, rows, columns, importance);
    },
    dequantizer(name) {
      const symbol = dequantizers[name] ?? `dequantize_row_${name.toLowerCase().replace(/_k$/, "_K")}`;
      try {
        return base.func(`void ${symbol}(const void *from, void *to, int64_t count)`);
      } catch {
        return undefined;
      }
    },
  };
}

export function findNativeLlama(): NativeLlama | undefined {
  const folder = libraryFolder();
  if (folder === undefined) return undefined;
  const ggml = library(folder, "ggml");
  const llama = library(folder, "llama");
  return ggml === undefined || llama === undefined ? undefined : { folder, ggml, llama };
}
