/** Settings that a checkpoint holds in tensors of one integer, where others have a configuration file. */
import { elementCount, type Finding, FormatError } from "@requant/core";
import type { ModuleHints, WeightFormat } from "@requant/core/format";
import type { ModelTensor } from "./model-tensor.ts";
import type { QuantizationConfig } from "./quantization-config.ts";

/** The settings of one format. */
export interface TensorSettings {
  readonly format: WeightFormat;
  readonly tensors: readonly ModelTensor[];
  readonly config: QuantizationConfig;
}

/** Reads them for the first format that has any; undefined where no tensor has such a name. */
export async function tensorSettings(
  stored: readonly ModelTensor[],
  formats: readonly WeightFormat[],
  { read }: Pick<ModuleHints, "read">,
  folder: string,
): Promise<TensorSettings | undefined> {
  for (const format of formats) {
    const keys = new Map(Object.entries(format.settingTensors ?? {}));
    const tensors = stored.filter(({ name }) => keys.has(name));
    const [first] = tensors;
    if (first === undefined) continue;
    const json: Record<string, unknown> = { quant_method: format.methods[0]?.names[0] };
    for (const tensor of tensors) {
      const { name, encoding, shape, byteLength, file } = tensor;
      const key = keys.get(name) ?? name;
      if (elementCount(shape) !== 1 || !["I64", "I32"].includes(encoding)) {
        throw new FormatError(`${name} is ${encoding} [${shape.join(", ")}]; one integer was expected.`, {
          path: `${folder}/${file}`,
          tensor: name,
        });
      }
      const bytes = await read({ suffix: name, name, encoding, shape, byteLength });
      const value = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(0, true);
      json[key] = key === "sym" ? value !== 0 : value;
    }
    const config: QuantizationConfig = {
      method: format.methods[0]?.names[0],
      json,
      path: `${folder}/${first.file}`,
      leavesFloats: true,
      isForLoading: false,
      runtimeTransform: undefined,
    };
    return { format, tensors, config };
  }
  return undefined;
}

/** That they were used, or where a configuration says something else. */
export function settingFindings(
  { tensors, config }: TensorSettings,
  other: QuantizationConfig | undefined,
): Finding[] {
  const names = tensors.map(({ name }) => name).join(", ");
  if (other === undefined) {
    return [
      {
        code: "quantization-config",
        severity: "note",
        message: `There is no quantization configuration; the settings are read from the tensors ${names}, which are no weights.`,
        path: config.path,
      },
    ];
  }
  return Object.entries(config.json).flatMap(([key, value]): Finding[] =>
    key === "quant_method" || other.json[key] === undefined || String(other.json[key]) === String(value)
      ? []
      : [
          {
            code: "config-disagrees",
            severity: "warning",
            message: `${other.path} says ${key} ${String(other.json[key]).slice(0, 40)}, and a tensor of settings says ${String(value)}; the configuration is used.`,
            path: config.path,
          },
        ],
  );
}
