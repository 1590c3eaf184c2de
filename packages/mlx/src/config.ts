import { type ErrorPlace, FormatError, misfitOf } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";
import type { MlxClaims } from "./layout.ts";

/** What config.json says under `quantization`. The tensors have the last word. */
export interface MlxConfig extends MlxClaims {
  /** Settings of single modules, by name. */
  readonly modules: ReadonlyMap<string, MlxClaims>;
}

const settings = {
  bits: z.nullish(z.int()),
  group_size: z.nullish(z.int()),
  mode: z.nullish(z.string()),
};
const moduleSchema = z.object(settings);
const configSchema = z.catchall(z.object(settings), z.unknown());

/** The object that holds the settings, in config.json or by itself. */
const wrapperSchema = z.looseObject({ quantization: z.looseObject({}) });

/**
 * Reads config.json of an MLX model, or the object under its `quantization`.
 * @throws FormatError when it is no such configuration
 */
export function parseMlxConfig(json: unknown, place: ErrorPlace = {}): MlxConfig {
  const wrapper = wrapperSchema.safeParse(json);
  const claimed = wrapper.success ? wrapper.data.quantization : json;
  const config = parseConfig(configSchema, claimed, "an MLX configuration", place);
  const { bits, group_size, mode, ...rest } = config;
  const modules = new Map<string, MlxClaims>();
  for (const [name, value] of Object.entries(rest)) {
    // tools also write true or false here: whether the module is quantized, which its tensors show
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
    const own = moduleSchema.safeParse(value);
    if (!own.success) {
      throw new FormatError(
        `The settings of ${name} in the MLX configuration are wrong: ${misfitOf(own.error.issues, value)}.`,
        place,
      );
    }
    modules.set(name, claimsOf(own.data));
  }
  return { ...claimsOf({ bits, group_size, mode }), modules };
}

function claimsOf({ bits, group_size, mode }: z.infer<typeof moduleSchema>): MlxClaims {
  return { bits: bits ?? undefined, groupSize: group_size ?? undefined, mode: mode ?? undefined };
}

/** Settings of one module or of a model, as they are written. */
export interface MlxSettings {
  readonly bits: number;
  readonly groupSize: number;
  readonly mode: string;
}

/** The object for `quantization` and `quantization_config` of config.json, with the keys of mlx-lm. */
export function serializeMlxConfig(
  common: MlxSettings,
  modules: readonly (readonly [module: string, settings: MlxSettings])[] = [],
): Record<string, unknown> {
  const written = ({ bits, groupSize, mode }: MlxSettings) => ({ group_size: groupSize, bits, mode });
  return {
    ...written(common),
    ...Object.fromEntries(modules.map(([module, own]) => [module, written(own)])),
  };
}
