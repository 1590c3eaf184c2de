/** Hyperparameters that stand in a group of settings inside config.json. */
import type { Config } from "../config.ts";
import { field, isJsonObject, type JsonValue } from "../json.ts";
import { f32, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import type { ConfigDraft, ParameterRule } from "./architecture.ts";

/** A value of a group of settings inside config.json. */
export function groupValue(config: Config, group: string, name: string): JsonValue | undefined {
  const values = config.get(group);
  return isJsonObject(values) ? field(values, name) : undefined;
}

/** A count from a group of settings inside config.json. */
export function groupCount(key: string, group: string, name: string): ParameterRule {
  return {
    key,
    toGguf(config) {
      const value = groupValue(config, group, name);
      return typeof value === "number" ? u32(value) : undefined;
    },
    toHf: (value, draft) => setInGroup(draft, group, name, numberOf(value) ?? null),
  };
}

/** A float from a group of settings inside config.json. */
export function groupReal(key: string, group: string, name: string): ParameterRule {
  return {
    key,
    toGguf(config) {
      const value = groupValue(config, group, name);
      return typeof value === "number" ? f32(value) : undefined;
    },
    toHf: (value, draft) => setInGroup(draft, group, name, shortestFloat(numberOf(value) ?? 0)),
  };
}

export function setInGroup(draft: ConfigDraft, group: string, name: string, value: JsonValue): void {
  const values = draft.values.get(group);
  draft.values.set(group, { ...(isJsonObject(values) ? values : {}), [name]: value });
}
