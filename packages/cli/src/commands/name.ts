import { describeTargets, parseTarget, weightFormats } from "@requant/convert";
import { isCodecError } from "@requant/core";
import { parseWords, readWord, spellWords, type WordSpec } from "@requant/core/format";
import { bounded } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { type ExplainedName, explainName, type NameFormats } from "../model-name.ts";
import type { Look } from "../render/look.ts";
import { countQuantity } from "../render/quantity.ts";
import { facts, table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

export const name: Handler = async ([argument = ""], _given, { streams, options, look }) => {
  const explained = explainName(argument, formats);
  if (options.json) writeJson(streams, explained);
  else streams.out.write(`${render(argument, explained, look)}\n`);
  return explained.parts.length > 0 ? exitStatus.done : exitStatus.different;
};

const spellTarget: NameFormats["spell"] = (format, words) => {
  const specs = weightFormats.find(({ name }) => name === format)?.target?.words;
  const described = describeTargets().find(({ name }) => name === format);
  if (described === undefined) return undefined;
  // a name that says nothing but the format means what most people publish, unless its size is missing
  if (words.length === 0 && specs?.some(({ required }) => required === true) !== false) return undefined;
  try {
    const target = parseTarget(words.length === 0 ? described.example : `${format}:${words.join("-")}`);
    const text =
      specs === undefined
        ? target.text
        : `${format}:${spellWords(specs, parseWords(specs, target.text.slice(format.length + 1)))}`;
    return { target: text, rounding: described.rounding };
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
};

const targets = weightFormats.flatMap(({ name, target }) =>
  target === undefined ? [] : [{ name, ...target }],
);

/** The words that a spec takes and that no number names. */
function namedWords({ words }: WordSpec): string[] {
  return Object.keys((words.kind === "choice" ? words.values : words.named) ?? {});
}

const formats: NameFormats = {
  names: describeTargets().map(({ name }) => name),
  compounds: targets
    .flatMap(({ name, words }) => [name, ...words.flatMap(namedWords)])
    .filter((word) => word.includes("-")),
  aboutWord(word) {
    for (const { words } of targets) {
      const found = readWord(words, word);
      const spec = words.find(({ key }) => key === found?.key);
      if (spec !== undefined) return spec.about;
    }
    return undefined;
  },
  spell: spellTarget,
};

function render(
  argument: string,
  { owner, parts, unknown, parameters, target, rounding }: ExplainedName,
  look: Look,
): string {
  if (parts.length === 0) return `${bounded(argument)}: no word of it says how the model is stored`;
  const summary = facts(
    [
      ...(owner === undefined ? [] : ([["published by", owner]] as const)),
      ...(unknown.length === 0 ? [] : ([["model", unknown.join(" ")]] as const)),
      ...(parameters === undefined ? [] : ([["parameters", countQuantity(parameters)]] as const)),
      ...(target === undefined ? [] : ([["target", `--to ${target}`]] as const)),
      ...(rounding === undefined ? [] : ([["", rounding]] as const)),
    ],
    look,
  );
  const words = table(
    [{ title: "word" }, { title: "says", wrap: true }],
    parts.map(({ text, meaning }) => [text, meaning]),
    look,
  );
  return summary === "" ? words : `${words}\n\n${summary}`;
}
