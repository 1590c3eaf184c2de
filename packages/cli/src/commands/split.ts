import { type Model, type Plan, planMerge, planModelSplit } from "@requant/convert";
import { parseByteSize, parseCount } from "@requant/core/text";
import type { Context, Handler } from "../context.ts";
import { execute } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";

export const split: Handler = ([argument = "", output = ""], given, context) =>
  rearrange(argument, output, given, context, (model, outputName) =>
    planModelSplit(model, {
      outputName,
      maxTensors: given["maxTensors"] === undefined ? undefined : parseCount(String(given["maxTensors"])),
      maxByteLength: given["maxSize"] === undefined ? undefined : parseByteSize(String(given["maxSize"])),
    }),
  );

export const merge: Handler = ([argument = "", output = ""], given, context) =>
  rearrange(argument, output, given, context, (model, outputName) => planMerge(model, { outputName }));

function rearrange(
  argument: string,
  output: string,
  given: Record<string, unknown>,
  context: Context,
  planFor: (model: Model, outputName: string | undefined) => Promise<Plan>,
): Promise<number> {
  return withModel(argument, context, async (model) => {
    const place = await outputPlace(output, model.format === "gguf" ? "file" : "directory");
    return execute(await planFor(model, place.name), model, place, context, {
      overwrite: given["overwrite"] === true,
      resume: given["resume"] === true,
      check: given["verify"] !== false,
    });
  });
}
