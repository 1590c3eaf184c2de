import { tensorStatistics, writeNpy } from "@requant/convert";
import { UsageError } from "@requant/core";
import { fileSink } from "@requant/core/node";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withModel } from "../open.ts";
import { histogram } from "../render/histogram.ts";
import { measure } from "../render/quantity.ts";
import { facts } from "../render/table.ts";
import { writeJson } from "../streams.ts";

const BINS = 48;

export const dump: Handler = async ([argument = "", tensor = ""], given, { streams, signal, options }) =>
  withModel(argument, signal, async (model) => {
    const rows = given["rows"] === undefined ? undefined : parseRows(String(given["rows"]));
    if (given["out"] !== undefined) {
      const sink = await fileSink(String(given["out"]));
      await writeNpy(sink, model, tensor, { rows, signal });
      if (options.json) writeJson(streams, { file: given["out"], tensor, byteLength: sink.byteLength });
      return exitStatus.done;
    }
    const found = await tensorStatistics(model, tensor, { rows, bins: BINS, signal });
    if (options.json) {
      writeJson(streams, found);
      return exitStatus.done;
    }
    const { counts, start, end } = found.histogram;
    streams.out.write(
      `${facts([
        ["tensor", found.name],
        ["shape", `${found.shape.join(" × ")}  ${found.encoding}`],
        ["rows", `${found.rows.start} up to ${found.rows.end}`],
        ["min … max", `${measure(found.min)} … ${measure(found.max)}`],
        ["mean", measure(found.mean)],
        ["deviation", measure(found.standardDeviation)],
        ["zeros", String(found.zeros)],
        ["NaN, infinite", `${found.nans}, ${found.infinities}`],
      ])}\n\n${histogram(counts, start, end)}\n`,
    );
    return exitStatus.done;
  });

function parseRows(text: string): { start: number; end: number } {
  const match = /^(\d+):(\d+)$/.exec(text);
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end <= start)
    throw new UsageError(`--rows ${text}: found no range a:b with a < b`, {
      hint: "For example --rows 0:4.",
    });
  return { start, end };
}
