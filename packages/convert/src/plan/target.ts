import { UsageError } from "@requant/core";
import { formats } from "../formats.ts";
import type { Format } from "./format.ts";
import type { Target } from "./plan.ts";

/**
 * Parses `FORMAT[:TOKEN[-TOKEN…]]`, in any case: `gguf:q8_0`, `safetensors:BF16`.
 * @throws UsageError listing what is allowed.
 */
export function parseTarget(text: string, list: readonly Format[] = formats): Target {
  const colon = text.indexOf(":");
  const word = (colon === -1 ? text : text.slice(0, colon)).trim().toLowerCase();
  const tokens =
    colon === -1
      ? []
      : text
          .slice(colon + 1)
          .trim()
          .toLowerCase()
          .split("-");
  const targets = list.flatMap((format) =>
    format.target === undefined ? [] : [{ name: format.name, target: format.target }],
  );
  const found = targets.find(({ name }) => name === word);
  if (found === undefined) {
    throw new UsageError(`unknown target format "${word}"`, {
      hint: `Write one of ${targets.map(({ name }) => `${name}:…`).join(", ")}, such as ${targets[0]?.target.example ?? "gguf:q8_0"}.`,
    });
  }
  const settings = found.target.parse(tokens);
  if (settings === undefined) {
    const given = tokens.length === 0 ? `"${word}" alone` : `"${tokens.join("-")}"`;
    throw new UsageError(`the target ${word} needs a type it knows, found ${given}`, {
      hint: `Allowed: ${found.target.allowed().join(", ")}.`,
    });
  }
  return { format: word, settings, text: `${word}:${tokens.join("-")}` };
}

/** Every target there is, in canonical spelling: for help texts and tests. */
export function listTargets(list: readonly Format[] = formats): string[] {
  return list.flatMap((format) =>
    format.target === undefined ? [] : format.target.allowed().map((token) => `${format.name}:${token}`),
  );
}
