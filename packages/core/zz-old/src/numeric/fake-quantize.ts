import { UsageError } from "../errors.ts";
import {
  type AffineOptions,
  type AffineParameters,
  affineCode,
  affineParameters,
  rangeOf,
} from "./affine.ts";

/** How `fakeQuantize` rounds. */
export interface FakeQuantizeOptions extends AffineOptions {
  /**
   * Values per channel, for a scale per channel: the length of a row where output features are rows.
   * Default: one scale for the whole tensor.
   */
  readonly channelLength?: number;
  /**
   * Fixed parameters, one or one per channel, as an observer collected them during training.
   * Default: from the range of the values.
   */
  readonly parameters?: AffineParameters | readonly AffineParameters[];
}

/**
 * Quantizes and dequantizes at once: each value is replaced by the nearest one that codes can express. This is what
 * quantization-aware training inserts, so that a network learns to live with the error; it also shows the error
 * before anything is stored. `out` may be `values` itself. NaN stays NaN where parameters are given.
 * @returns the parameters used, one per channel
 * @throws UsageError
 */
export function fakeQuantize(
  values: Float32Array,
  out: Float32Array,
  options: FakeQuantizeOptions = {},
): AffineParameters[] {
  const { channelLength = values.length, parameters } = options;
  if (out.length !== values.length) {
    throw new UsageError(`The arrays differ in length: ${values.length} and ${out.length}.`);
  }
  const channels = values.length === 0 ? 0 : values.length / channelLength;
  if (!(Number.isInteger(channels) && Number.isInteger(channelLength))) {
    throw new UsageError(`${values.length} values are not whole channels of ${channelLength}.`);
  }
  const given = parameters === undefined ? undefined : [parameters].flat();
  if (given !== undefined && given.length !== 1 && given.length !== channels) {
    throw new UsageError(`${given.length} sets of parameters were given for ${channels} channels.`);
  }
  const used: AffineParameters[] = [];
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * channelLength;
    const part = values.subarray(start, start + channelLength);
    const own = given?.[given.length === 1 ? 0 : channel] ?? parametersOf(part, options);
    for (let i = 0; i < part.length; i++) {
      out[start + i] = (affineCode(part[i]!, own) - own.zeroPoint) * own.scale;
    }
    used.push(own);
  }
  return used;
}

function parametersOf(values: Float32Array, options: AffineOptions): AffineParameters {
  const { min, max } = rangeOf(values);
  return affineParameters(min, max, options);
}
