/** Options that a target cannot use are refused by name, never ignored. */
import { UsageError } from "@requant/core";
import type { Format } from "./format.ts";
import type { PlanOptions } from "./plan-options.ts";

/** Options that every target takes. To allow what is not needed asks for nothing. */
const COMMON: readonly (keyof PlanOptions)[] = [
  "allowRequantize",
  "exact",
  "llamafy",
  "outputName",
  "shardSize",
  "signal",
];

/** @throws UsageError naming the options that the target does not take, and the formats that take all of them */
export function refuseOptions(
  given: readonly (keyof PlanOptions)[],
  target: Format,
  list: readonly Format[],
): void {
  const foreign = given.filter((option) => !takes(target, option));
  if (foreign.length === 0) return;
  const others = list.filter((format) => given.every((option) => takes(format, option)));
  const texts = foreign.map((option) => `\`${option}\``).join(", ");
  const these = foreign.length === 1 ? "it" : "them";
  const names = others.map(({ name }) => name);
  throw new UsageError(`The target ${target.name} does not take ${texts}.`, {
    hint:
      names.length === 0
        ? `Leave ${these} out.`
        : `Leave ${these} out, or choose a target of ${listed(names)}.`,
  });
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** The options that ask for something: what is false or empty does not. */
export function givenOptions(options: PlanOptions): (keyof PlanOptions)[] {
  const names = Object.keys(options) as (keyof PlanOptions)[];
  return names.filter((option) => {
    const value = options[option];
    if (value === undefined || value === false) return false;
    if (value instanceof Map) return value.size > 0;
    return !Array.isArray(value) || value.length > 0;
  });
}

function takes({ target }: Format, option: keyof PlanOptions): boolean {
  return target !== undefined && (COMMON.includes(option) || target.options?.includes(option) === true);
}
