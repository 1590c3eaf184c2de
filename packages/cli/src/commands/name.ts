import { bounded } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { type ExplainedName, explainName } from "../model-name.ts";
import { countQuantity } from "../render/quantity.ts";
import { facts, table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

export const name: Handler = async ([argument = ""], _given, { streams, options }) => {
  const explained = explainName(argument);
  if (options.json) writeJson(streams, explained);
  else streams.out.write(`${render(argument, explained)}\n`);
  return explained.parts.length > 0 ? exitStatus.done : exitStatus.different;
};

function render(argument: string, { owner, parts, unknown, parameters, target }: ExplainedName): string {
  if (parts.length === 0) return `${bounded(argument)}: no word of it says how the model is stored`;
  const summary = facts([
    ...(owner === undefined ? [] : ([["published by", owner]] as const)),
    ...(unknown.length === 0 ? [] : ([["model", unknown.join(" ")]] as const)),
    ...(parameters === undefined ? [] : ([["parameters", countQuantity(parameters)]] as const)),
    ...(target === undefined ? [] : ([["target", `--to ${target}`]] as const)),
  ]);
  const words = table(
    [{ title: "word" }, { title: "says" }],
    parts.map(({ text, meaning }) => [text, meaning]),
  );
  return summary === "" ? words : `${words}\n\n${summary}`;
}
