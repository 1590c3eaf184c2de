/** The formats that store one weight as several tensors: configuration, layout and arithmetic. */
import assert from "node:assert/strict";
import { awqCodec, parseAwqConfig } from "../../packages/awq/src/index.ts";
import {
  compressedTensorsCodec,
  parseCompressedTensorsConfig,
} from "../../packages/compressed-tensors/src/index.ts";
import type { LinearCodec, LinearLayout, LinearPart } from "../../packages/core/src/format/index.ts";
import { exl2Codec, parseExl2Config } from "../../packages/exl2/src/index.ts";
import {
  gptqCodec,
  gptqMarlinCodec,
  gptqModuleConfig,
  parseGptqConfig,
} from "../../packages/gptq/src/index.ts";
import { parseHeader } from "../../packages/safetensors/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { fileBytes, folderBytes, jsonBytes } from "./bytes.ts";

/** A safetensors file with one packed layer: its layout, facts, and values of all rows, twice in different bands. */
function codecTarget<Layout extends LinearLayout, Claims>(
  name: string,
  codec: LinearCodec<Layout, Claims>,
  claims: Claims,
  seeds: () => readonly Uint8Array[],
): FuzzTarget {
  return {
    name: `codec-${name}`,
    shape: "safetensors",
    dictionary: [...codec.suffixes, "dtype", "shape", "data_offsets", "I32", "I16", "F16", "BF16"],
    maxByteLength: 32_768,
    seeds,
    run(input) {
      const { tensors } = parseHeader(input);
      const parts: LinearPart[] = [];
      const bytes: Record<string, Uint8Array> = {};
      for (const tensor of tensors) {
        const suffix = tensor.name.split(".").at(-1) ?? "";
        if (!codec.suffixes.includes(suffix) || suffix in bytes) continue;
        parts.push({ suffix, encoding: tensor.encoding, shape: tensor.shape });
        bytes[suffix] = input.slice(tensor.byteOffset, tensor.byteOffset + tensor.byteLength);
      }
      const layout = codec.readLayout(parts, claims, { tensor: name });
      const { rows, columns } = layout;
      codec.measure(layout, bytes, { tensor: name });
      const weight = codec.open(layout, bytes, { tensor: name });
      assert(weight.rows === rows && weight.columns === columns);
      const shown = Math.min(rows, 64);
      const whole = new Float32Array(shown * columns);
      weight.dequantize(0, shown, whole);
      const half = Math.floor(shown / 2);
      const band = new Float32Array((shown - half) * columns);
      weight.dequantize(half, shown, band);
      assert.deepEqual(new Uint32Array(band.buffer), new Uint32Array(whole.slice(half * columns).buffer));
      const view = weight.toView(0, shown);
      assert.equal(view.codes.length, shown * columns);
    },
  };
}

const vectors = (name: string, pattern: RegExp): Uint8Array[] =>
  folderBytes(`packages/${name}/test/vectors`, pattern, 6, 32_768);

export const linearCodecs: readonly FuzzTarget[] = [
  codecTarget("gptq", gptqCodec, { groupSize: 64, sym: false, checkpointFormat: "gptq", quantizer: [] }, () =>
    vectors("gptq", /^(b|pack|planar).*\.safetensors$/),
  ),
  codecTarget("gptq-marlin", gptqMarlinCodec, { groupSize: 128 }, () =>
    vectors("gptq", /^marlin.*\.safetensors$/),
  ),
  codecTarget("awq", awqCodec, { version: "gemm", groupSize: 64 }, () => vectors("awq", /\.safetensors$/)),
  codecTarget("exl2", exl2Codec, {}, () => vectors("exl2", /\.safetensors$/)),
  codecTarget("compressed-tensors", compressedTensorsCodec, { bits: 4, groupSize: 32 }, () =>
    vectors("compressed-tensors", /b4.*\.safetensors$/),
  ),
  codecTarget("compressed-tensors-8bit", compressedTensorsCodec, { bits: 8, groupSize: 128 }, () =>
    vectors("compressed-tensors", /b8.*\.safetensors$/),
  ),
];

function configTarget(
  name: string,
  parse: (json: unknown) => unknown,
  seeds: () => readonly Uint8Array[],
): FuzzTarget {
  return {
    name: `config-${name}`,
    shape: "json",
    dictionary: [
      "bits",
      "group_size",
      "desc_act",
      "sym",
      "dynamic",
      "checkpoint_format",
      "version",
      "gemm",
      "modules_to_not_convert",
      "quant_method",
      "config_groups",
      "weights",
      "num_bits",
      "strategy",
      "+:.*",
      "-:(a+)+$",
      "calibration",
      "bits_head",
    ],
    seeds,
    run(input) {
      let json: unknown;
      try {
        json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(input));
      } catch {
        return;
      }
      parse(json);
    },
  };
}

const configs = (name: string): Uint8Array[] =>
  folderBytes(`packages/${name}/test/vectors/configs`, /\.json$/, 12, 4096);

export const linearConfigs: readonly FuzzTarget[] = [
  configTarget(
    "gptq",
    (json) => gptqModuleConfig(parseGptqConfig(json), "model.layers.0.self_attn.q_proj"),
    () => [...configs("gptq"), fileBytes("fixtures/abuse/gptq/gptq-valid/quantize_config.json")],
  ),
  configTarget("awq", parseAwqConfig, () => configs("awq")),
  configTarget("exl2", parseExl2Config, () => configs("exl2")),
  configTarget("compressed-tensors", parseCompressedTensorsConfig, () => [
    jsonBytes({
      quant_method: "compressed-tensors",
      format: "pack-quantized",
      ignore: ["lm_head"],
      config_groups: {
        group_0: {
          targets: ["Linear"],
          weights: { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: 128 },
        },
      },
    }),
  ]),
];
