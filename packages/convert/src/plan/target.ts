import { UsageError } from "@requant/core";
import type { Format } from "./format.ts";
import type { Target } from "./plan.ts";
import { targetFormats } from "./target-formats.ts";

/**
 * Parses `FORMAT[:TOKEN[-TOKEN…]]`, in any case: `gguf:q8_0`, `safetensors:BF16`.
 * @throws UsageError listing what is allowed.
 */
export function parseTarget(text: string, list: readonly Format[] = targetFormats): Target {
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
  const words = tokens.join("-");
  if (words === "") {
    throw new UsageError(`The target ${word} does not say which type.`, {
      hint: `Write ${found.target.example}, for example.`,
    });
  }
  return { format: word, settings: found.target.parse(words), text: `${word}:${words}` };
}

/** Every target there is, in canonical spelling: for help texts and tests. */
export function listTargets(list: readonly Format[] = targetFormats): string[] {
  return list.flatMap((format) =>
    format.target === undefined ? [] : format.target.spellings().map((token) => `${format.name}:${token}`),
  );
}
