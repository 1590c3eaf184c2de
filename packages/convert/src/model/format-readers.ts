/** One reader for each format of a model, by what the configuration claims. */
import {
  type CodecError,
  type ErrorPlace,
  type Finding,
  isCodecError,
  UnsupportedError,
} from "@requant/core";
import type { LinearReader, ModuleHints, WeightFormat } from "@requant/core/format";
import { settingsFor } from "./claimed-config.ts";
import type { QuantizationConfig } from "./quantization-config.ts";

/** The reader of a format, or why its configuration is not supported. */
export type FormatReaders = (format: WeightFormat) => LinearReader | UnsupportedError;

/** A broken configuration is added to `findings`, once, and not used. */
export function formatReaders(
  config: QuantizationConfig | undefined,
  formats: readonly WeightFormat[],
  hints: ModuleHints,
  findings: Finding[],
): FormatReaders {
  const place: ErrorPlace = config === undefined ? {} : { path: config.path };
  const made = new Map<WeightFormat, LinearReader | UnsupportedError>();
  const make = (format: WeightFormat): LinearReader | UnsupportedError => {
    try {
      return format.reader(settingsFor(format, formats, config, place), hints, place);
    } catch (error) {
      if (!isCodecError(error)) throw error;
      if (error instanceof UnsupportedError) return error;
      findings.push({
        code: "quantization-config",
        severity: "warning",
        message: `${error.message} The tensors are shown without it, but not read.`,
      });
      return withoutReads(format.reader(undefined, hints, place), error);
    }
  };
  return (format) => {
    const reader = made.get(format) ?? make(format);
    made.set(format, reader);
    return reader;
  };
}

/** Facts can be measured without a configuration; what the weights mean is another matter when there is one, and it is broken. */
function withoutReads(reader: LinearReader, error: CodecError): LinearReader {
  return {
    ...reader,
    async openable(module, parts, place) {
      const weight = await reader.openable(module, parts, place);
      return {
        ...weight,
        open() {
          throw error;
        },
      };
    },
  };
}
