/** Real ggml for the benchmarks: the libggml-base that node-llama-cpp ships, built for baseline x86-64. */
import { existsSync } from "node:fs";
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

function libraryPath(): string {
  const fromHere = createRequire(import.meta.url);
  const fromClient = createRequire(fromHere.resolve("node-llama-cpp"));
  const binary = "@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so";
  const path = fromClient.resolve
    .paths(binary)
    ?.map((folder) => join(folder, binary))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error("node-llama-cpp's libggml-base.so is not installed");
  return path;
}

const dequantizers: Readonly<Record<string, string>> = {
  F16: "ggml_fp16_to_fp32_row",
  BF16: "ggml_bf16_to_fp32_row",
};

export function loadNativeGgml(): NativeGgml {
  const library = koffi.load(libraryPath());
  const chunk = library.func(
    "size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t rowLength, const float *imatrix)",
  );
  return {
    version: String(library.func("const char *ggml_version()")()),
    quantize(type, values, out, rows, columns, importance) {
      chunk(type, values, out, 0, rows, columns, importance);
    },
    dequantizer(name) {
      const symbol = dequantizers[name] ?? `dequantize_row_${name.toLowerCase().replace(/_k$/, "_K")}`;
      try {
        return library.func(`void ${symbol}(const void *from, void *to, int64_t count)`);
      } catch {
        return undefined;
      }
    },
  };
}
