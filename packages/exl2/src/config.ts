import { type ErrorPlace, FormatError } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** The calibration data that a configuration names. */
export interface Exl2Calibration {
  readonly rows: number;
  readonly length: number;
  readonly dataset: string;
}

/**
 * What `quantization_config` of an EXL2 model's config.json claims: averages only. The widths of each tensor are in its
 * `q_groups` and nowhere else.
 */
export interface Exl2Config {
  /** Version of exllamav2 that wrote it. */
  readonly version?: string | undefined;
  /** The intended average of bits per weight in the decoder's linears, with all stored bits counted. */
  readonly bits: number;
  /** Bits of the head (2, 3, 4, 5, 6 or 8), 16 where it was left in floats. */
  readonly headBits?: number | undefined;
  readonly calibration?: Exl2Calibration | undefined;
}

const configSchema = z.looseObject({
  quant_method: z.literal("exl2"),
  version: z.nullish(z.string()),
  bits: z.number(),
  head_bits: z.nullish(z.number()),
  calibration: z.nullish(
    z.looseObject({
      rows: z.nullish(z.number()),
      length: z.nullish(z.number()),
      dataset: z.nullish(z.string()),
    }),
  ),
});

const wrapperSchema = z.looseObject({ quantization_config: z.looseObject({}) });

/**
 * Reads config.json of an EXL2 directory, or the object under its `quantization_config`. Directories of exllamav2 before
 * 0.0.14 have no configuration; their tensors show everything.
 * @throws FormatError when it is not an EXL2 configuration
 */
export function parseExl2Config(json: unknown, place: ErrorPlace = {}): Exl2Config {
  const wrapper = wrapperSchema.safeParse(json);
  const claimed = wrapper.success ? wrapper.data.quantization_config : json;
  const config = parseConfig(configSchema, claimed, "an EXL2 configuration", place);
  const { version, bits, head_bits, calibration } = config;
  if (!(bits > 0 && bits <= 16)) {
    throw new FormatError(`The EXL2 configuration says ${bits} bits per weight; 0 to 16 make sense.`, place);
  }
  return {
    ...(version ? { version } : {}),
    bits,
    ...(typeof head_bits === "number" ? { headBits: head_bits } : {}),
    ...(calibration
      ? {
          calibration: {
            rows: calibration.rows ?? 0,
            length: calibration.length ?? 0,
            dataset: calibration.dataset ?? "(default)",
          },
        }
      : {}),
  };
}

/** The object for `quantization_config` of config.json, as exllamav2 0.3 writes it. */
export function serializeExl2Config(config: Exl2Config): Record<string, unknown> {
  return {
    quant_method: "exl2",
    ...(config.version === undefined ? {} : { version: config.version }),
    bits: config.bits,
    ...(config.headBits === undefined ? {} : { head_bits: config.headBits }),
    ...(config.calibration === undefined ? {} : { calibration: { ...config.calibration } }),
  };
}
