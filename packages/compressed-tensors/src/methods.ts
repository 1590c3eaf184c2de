/**
 * How configurations of compressed-tensors are recognised, and which of them have transforms besides the stored weights.
 */
import type { FormatMethod } from "@requant/core/format";

type Json = Readonly<Record<string, unknown>>;

/** compressed-tensors, with its former name. */
export const compressedTensorsMethod: FormatMethod = {
  names: ["compressed-tensors", "sparseml"],
  isSign: (settings) => "config_groups" in settings && !("quant_algo" in settings),
  sections: ["compression_config"],
  leavesFloats: true,
  runtimeTransform,
};

/**
 * Every transform that is not folded into a weight (compressed-tensors, transform/transform_args.py, `TransformLocation`:
 * weight_input and weight_output are).
 */
function runtimeTransform(settings: Json): string | undefined {
  const transforms = objectOf(settings["transform_config"]);
  if (transforms === undefined) return undefined;
  const groups = Object.entries(objectOf(transforms["config_groups"]) ?? {});
  const locations = groups.flatMap(([name, group]) => {
    const apply = objectOf(group)?.["apply"];
    return Array.isArray(apply)
      ? apply.map((one) => [name, String(objectOf(one)?.["location"])] as const)
      : [[name, "unknown"] as const];
  });
  if (locations.length === 0)
    return groups.length === 0 && "config_groups" in transforms ? undefined : "transform_config";
  const online = locations.find(([, location]) => !location.startsWith("weight_"));
  return online === undefined ? undefined : `transform_config "${online[0]}" at "${online[1]}"`;
}

function objectOf(value: unknown): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length === 0 ? undefined : (value as Json);
}
