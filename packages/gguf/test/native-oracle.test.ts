/**
 * Requant's codecs against real ggml on fresh random rows and blocks: node-llama-cpp ships libggml-base, which quantizes
 * files in llama.cpp. That library is built for baseline x86-64, so nothing in it fuses a multiply and an add; on other
 * machines the compiler may, and bytes differ by design, hence Linux x64 only. REQUANT_SEED=<number> replays a run.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { type GgmlType, ggmlTypes } from "../src/types/index.ts";

interface Native {
  readonly version: string;
  quantizeChunk(
    type: number,
    values: Float32Array,
    out: Uint8Array,
    rows: number,
    rowLength: number,
    importance: Float32Array | null,
  ): number;
  /** `dequantize_row_q4_K` and the like; undefined where the library has none. */
  rowFunction(
    name: string,
  ): ((from: ArrayBufferView, to: ArrayBufferView, count: number) => void) | undefined;
}

function libraryPath(): string | undefined {
  const fromHere = createRequire(import.meta.url);
  const fromNodeLlamaCpp = createRequire(fromHere.resolve("node-llama-cpp"));
  const binary = "@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so";
  return fromNodeLlamaCpp.resolve
    .paths(binary)
    ?.map((folder) => join(folder, binary))
    .find((path) => existsSync(path));
}

function loadNative(): Native | string {
  if (process.platform !== "linux" || process.arch !== "x64") return "not Linux x64";
  try {
    const path = libraryPath();
    if (path === undefined) return "node-llama-cpp's libggml-base.so is not installed";
    const library = koffi.load(path);
    const chunk = library.func(
      "size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t rowLength, const float *imatrix)",
    );
    return {
      version: String(library.func("const char *ggml_version()")()),
      quantizeChunk: (type, values, out, rows, rowLength, importance) =>
        Number(chunk(type, values, out, 0, rows, rowLength, importance)),
      rowFunction(name) {
        try {
          return library.func(`void ${name}(const void *from, void *to, int64_t count)`);
        } catch {
          return undefined;
        }
      },
    };
  } catch (error) {
    return `libggml-base.so cannot be loaded: ${String(error)}`;
  }
}

const native = loadNative();
const seed = Number(process.env["REQUANT_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const title =
  typeof native === "string"
    ? `native ggml (skipped: ${native})`
    : `native ggml ${native.version}, REQUANT_SEED=${seed}`;

/** xorshift32: the numbers only have to differ from run to run. */
function randomNumbers(start: number): () => number {
  let state = start | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function randomRows(random: () => number, rows: number, columns: number): Float32Array {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const spread = 2 ** (-20 + 25 * random());
    const shift = random() < 0.3 ? spread * (random() - 0.5) * 4 : 0;
    const heavy = random() < 0.3;
    for (let j = 0; j < columns; j++) {
      const gauss = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      values[row * columns + j] = (heavy ? gauss ** 3 : gauss) * spread + shift;
    }
  }
  return values;
}

/** The type's name in ggml's functions: q4_K, iq2_xxs. */
const nativeName = (type: GgmlType): string => type.name.toLowerCase().replace(/_k$/, "_K");

const dequantizers: Readonly<Record<string, string>> = {
  F16: "ggml_fp16_to_fp32_row",
  BF16: "ggml_bf16_to_fp32_row",
};

/** Types that ggml_quantize_chunk does not offer. */
const rowQuantizers: Readonly<Record<string, string>> = {
  Q8_1: "quantize_row_q8_1_ref",
  Q8_K: "quantize_row_q8_K_ref",
};

/** Stored plainly: there is nothing to compare with. */
const plain: ReadonlySet<string> = new Set(["F32", "F64", "I8", "I16", "I32", "I64"]);

const typesToCompare = ggmlTypes.filter((type) => !plain.has(type.name));

describe.skipIf(typeof native === "string")(title, () => {
  if (typeof native === "string") return;
  const rows = 6;
  const columns = 1024;

  it.each(typesToCompare.map((type) => [type.name, type] as const))(
    "%s: same bytes, same values",
    (name, type) => {
      const random = randomNumbers(seed ^ Math.imul(type.id + 1, 0x9e3779b9));
      const values = randomRows(random, rows, columns);
      const importance = Float32Array.from({ length: columns }, () => 0.01 + 4 * random() ** 3);
      const { codec } = type;
      if (codec?.quantize === undefined) throw new Error(`${name} does not quantize`);
      const byteLength = ((rows * columns) / type.blockSize) * type.blockByteLength;

      for (const weights of [undefined, importance]) {
        if (weights === undefined && type.importance === "required") continue;
        const ours = new Uint8Array(byteLength);
        const theirs = new Uint8Array(byteLength);
        codec.quantize(values, columns, ours, weights);
        const rowQuantizer = rowQuantizers[name];
        if (rowQuantizer === undefined) {
          expect(native.quantizeChunk(type.id, values, theirs, rows, columns, weights ?? null)).toBe(
            byteLength,
          );
        } else {
          native.rowFunction(rowQuantizer)?.(values, theirs, values.length);
        }
        expect(Buffer.compare(ours, theirs), weights === undefined ? "bytes" : "bytes with importance").toBe(
          0,
        );
      }

      const dequantizeRow = native.rowFunction(dequantizers[name] ?? `dequantize_row_${nativeName(type)}`);
      if (dequantizeRow === undefined) {
        expect(name).toBe("Q8_1");
        return;
      }
      // Any bytes at all, so scales may be infinite or NaN. A NaN need not have the same payload.
      const blockCount = Math.ceil(4096 / type.blockSize);
      const bytes = Uint8Array.from({ length: blockCount * type.blockByteLength }, () => random() * 256);
      const ours = new Float32Array(blockCount * type.blockSize);
      const theirs = new Float32Array(ours.length);
      codec.dequantize(bytes, ours);
      dequantizeRow(bytes, theirs, theirs.length);
      const bits = (array: Float32Array): Uint32Array =>
        new Uint32Array(array.map((value) => (Number.isNaN(value) ? Number.NaN : value)).buffer);
      expect(
        Buffer.compare(new Uint8Array(bits(ours).buffer), new Uint8Array(bits(theirs).buffer)),
        "values",
      ).toBe(0);
    },
  );

  it("MXFP4: same exponent just below every power of two", () => {
    // The exponent is the floor of an f32 logarithm, which rounds up to the power for the nearest few values below it.
    const type = ggmlTypes.find(({ name }) => name === "MXFP4");
    if (type?.codec?.quantize === undefined) throw new Error("MXFP4 does not quantize");
    const below = 128;
    const values = new Float32Array(32 * below * 254);
    for (let exponent = -126, block = 0; exponent < 128; exponent++) {
      for (let m = 0; m < below; m++, block++) values[32 * block] = 2 ** exponent * (1 - m * 2 ** -24);
    }
    const ours = new Uint8Array((values.length / 32) * 17);
    const theirs = new Uint8Array(ours.length);
    type.codec.quantize(values, values.length, ours);
    native.quantizeChunk(type.id, values, theirs, 1, values.length, null);
    expect(Buffer.compare(ours, theirs)).toBe(0);
  });
});
