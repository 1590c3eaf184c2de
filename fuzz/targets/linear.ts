/** All listed formats that store one weight as several tensors: configuration, layout and arithmetic. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { weightFormats } from "../../packages/convert/src/formats.ts";
import {
  allocateParts,
  type LinearLayout,
  type PartBytes,
  parseWords,
  type StoredPart,
  type WeightEncoder,
  type WeightFormat,
  type WeightTarget,
} from "../../packages/core/src/format/index.ts";
import { isCodecError } from "../../packages/core/src/index.ts";
import { layoutSafetensors, parseHeader } from "../../packages/safetensors/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { folderBytes, jsonBytes } from "./bytes.ts";

const MODULE = "model.layers.0.mlp.up_proj";
const place = { tensor: MODULE };

/** A safetensors file with one packed layer: its layout, facts, and values of all rows, twice in different bands. */
function codecTarget(format: WeightFormat): FuzzTarget {
  const { name } = format;
  const seeds = (): Uint8Array[] => [...vectorsOf(name), ...packedSeeds(format)];
  return {
    name: `codec-${name}`,
    shape: "safetensors",
    dictionary: [...partNames(seeds()), "dtype", "shape", "data_offsets", "I32", "I16", "F16", "BF16"],
    maxByteLength: 32_768,
    seeds,
    async run(input) {
      const { tensors } = parseHeader(input);
      const weight = format.find(tensors, undefined).find(({ isWeight }) => isWeight);
      if (weight === undefined) return;
      const offsets = new Map(tensors.map((tensor) => [tensor.name, tensor.byteOffset]));
      const bytes: Record<string, Uint8Array> = {};
      for (const { name: part, suffix, byteLength } of weight.parts) {
        const start = offsets.get(part) ?? 0;
        bytes[suffix] = input.slice(start, start + byteLength);
      }
      // without a configuration, so that the tensors must tell everything
      const hints = {
        config: undefined,
        shapeOf: () => undefined,
        read: async ({ suffix }: StoredPart) => bytes[suffix] ?? new Uint8Array(0),
      };
      const found = await format.reader(undefined, hints, place).openable(weight.module, weight.parts, place);
      checkWeight(found.examine(bytes).layout, found.open(bytes));
    },
  };
}

/** The names of the seeds' tensors within their modules. */
function partNames(seeds: readonly Uint8Array[]): string[] {
  const names = seeds.flatMap((seed) =>
    parseHeader(seed).tensors.map(({ name }) => name.split(".").at(-1) ?? ""),
  );
  return [...new Set(names)];
}

function checkWeight(
  { rows, columns }: LinearLayout,
  weight: ReturnType<ReturnType<WeightTarget["encoder"]>["open"]>,
): void {
  assert(weight.rows === rows && weight.columns === columns);
  const shown = Math.min(rows, 64);
  const whole = new Float32Array(shown * columns);
  weight.dequantize(0, shown, whole);
  const half = Math.floor(shown / 2);
  const band = new Float32Array((shown - half) * columns);
  weight.dequantize(half, shown, band);
  assert.deepEqual(new Uint32Array(band.buffer), new Uint32Array(whole.slice(half * columns).buffer));
  const view = weight.toView === undefined ? weight.toLevels?.(0, shown) : weight.toView(0, shown);
  if (view !== undefined) assert.equal(view.codes.length, shown * columns);
}

function vectorsOf(name: string): Uint8Array[] {
  const folder = `packages/${name}/test/vectors`;
  return exists(folder) ? folderBytes(folder, /\.safetensors$/, 8, 32_768) : [];
}

function exists(folder: string): boolean {
  return existsSync(resolve(import.meta.dirname, "../..", folder));
}

/** A small weight that the format packs itself, and the configuration that it writes for it. */
function packedExample({ target }: WeightFormat) {
  if (target === undefined) return undefined;
  const [rows, columns] = [64, 64];
  const words = parseWords(target.words, target.example);
  try {
    const settings = target.settle?.(words) ?? words;
    const request = { module: MODULE, rows, columns, views: [] };
    const arranged = target.arrange?.([request], settings, undefined) ?? { settings };
    const offers = target.offers(request, arranged.settings, undefined);
    const [offer] = "reason" in offers ? [] : offers;
    if (offer === undefined) return undefined;
    const encoder = target.encoder(offer.layout);
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));
    const bytes = packedFloats(encoder, values, rows);
    const packed = [{ module: MODULE, layout: offer.layout }];
    const { config } = target.config({
      settings: arranged.settings,
      packed,
      left: ["lm_head"],
      sourceConfig: undefined,
    });
    return { parts: encoder.parts, bytes, config };
  } catch (error) {
    // a target that measures whole models first: only its vectors are seeds
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

function packedFloats(encoder: WeightEncoder, values: Float32Array, rows: number): PartBytes {
  const { floats } = encoder;
  if (floats.kind === "whole") return floats.pack(values);
  const bytes = allocateParts(encoder.parts);
  if (floats.kind === "rows") floats.pack(values, 0, bytes);
  else encoder.fromView(floats.quantize(values, rows), 0, bytes);
  return bytes;
}

function packedSeeds(format: WeightFormat): Uint8Array[] {
  const made = packedExample(format);
  if (made === undefined) return [];
  const { header, byteLength } = layoutSafetensors(
    made.parts.map(({ suffix, encoding, shape }) => ({ name: `${MODULE}.${suffix}`, encoding, shape })),
  );
  const file = new Uint8Array(byteLength);
  file.set(header);
  for (const tensor of parseHeader(header, { fileByteLength: byteLength }).tensors) {
    file.set(made.bytes[tensor.name.split(".").at(-1) ?? ""] ?? [], tensor.byteOffset);
  }
  return [file];
}

/** Reading a configuration without any tensor. */
function configTarget(format: WeightFormat): FuzzTarget {
  const { name, configKeys } = format;
  return {
    name: `config-${name}`,
    shape: "json",
    dictionary: [...configKeys, name, "weights", "num_bits", "+:.*", "-:(a+)+$"],
    seeds() {
      const folder = `packages/${name}/test/vectors/configs`;
      const made = packedExample(format);
      return [
        ...(exists(folder) ? folderBytes(folder, /\.json$/, 12, 4096) : []),
        ...(made === undefined ? [] : [jsonBytes(made.config)]),
      ];
    },
    run(input) {
      let json: unknown;
      try {
        json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(input));
      } catch {
        return;
      }
      const hints = { config: undefined, shapeOf: () => undefined, read: async () => new Uint8Array(0) };
      format.reader(json, hints, place).claimsModule("model.layers.0.self_attn.q_proj");
    },
  };
}

export const linearCodecs: readonly FuzzTarget[] = weightFormats.map(codecTarget);
export const linearConfigs: readonly FuzzTarget[] = weightFormats.map(configTarget);
