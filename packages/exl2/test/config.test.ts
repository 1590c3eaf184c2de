import { readFileSync } from "node:fs";
import { FormatError } from "@requant/core";
import { parseExl2Config, serializeExl2Config } from "@requant/exl2";
import { expect, test } from "vitest";

const json: unknown = JSON.parse(
  readFileSync(new URL("vectors/configs/exllamav2_0.3.2.config.json", import.meta.url), "utf8"),
);

test("the configuration as exllamav2 writes it, both ways", () => {
  const config = parseExl2Config(json);
  expect(config).toEqual({
    version: "0.3.2",
    bits: 4.01,
    headBits: 6,
    calibration: { rows: 8, length: 64, dataset: "(default)" },
  });
  expect({ quantization_config: serializeExl2Config(config) }).toEqual(json);
});

test("only known values are written", () => {
  expect(serializeExl2Config(parseExl2Config({ quant_method: "exl2", bits: 2.5, head_bits: null }))).toEqual({
    quant_method: "exl2",
    bits: 2.5,
  });
});

test.each([
  { quant_method: "exl3", bits: 4 },
  { quant_method: "exl2" },
  { quant_method: "exl2", bits: 0 },
  { quant_method: "exl2", bits: 1e9 },
  null,
])("refuses %j", (bad) => {
  expect(() => parseExl2Config(bad)).toThrow(FormatError);
});
