import { basename, dirname, resolve } from "node:path";
import {
  type Model,
  matchingWeights,
  type NamedWeight,
  refuseSourceFiles,
  tensorStatistics,
  writeNpy,
} from "@requant/convert";
import { FormatError, UsageError } from "@requant/core";
import { directoryStore, fileSink } from "@requant/core/node";
import { bounded } from "@requant/core/text";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { refuseAddress } from "../local-file.ts";
import { withModel } from "../open.ts";
import { histogram } from "../render/histogram.ts";
import type { Look } from "../render/look.ts";
import { counted, measure } from "../render/quantity.ts";
import { facts, table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

const BINS = 48;

export const dump: Handler = async ([argument = "", tensor = ""], given, context) => {
  const rows = given["rows"] === undefined ? undefined : parseRows(String(given["rows"]));
  const out = given["out"] === undefined ? undefined : outputFile(String(given["out"]));
  const { signal } = context;
  return withModel(argument, context, async (model) => {
    const name = /[*?]/.test(tensor) ? await theOnlyMatch(model, tensor, { rows, out }, context) : tensor;
    if (name === undefined) return exitStatus.done;
    if (out === undefined) return showStatistics(model, name, rows, context);
    await refuseSourceFiles(model, directoryStore(dirname(resolve(out))), [basename(out)]);
    const sink = await fileSink(out, { overwrite: given["overwrite"] === true });
    await writeNpy(sink, model, name, { rows, signal });
    if (context.options.json)
      writeJson(context.streams, { file: out, tensor: name, byteLength: sink.byteLength });
    return exitStatus.done;
  });
};

interface Asked {
  readonly rows: Rows | undefined;
  readonly out: string | undefined;
}

/** The one weight of a pattern; several are listed, which is all that is done with them. */
async function theOnlyMatch(
  model: Model,
  pattern: string,
  { rows, out }: Asked,
  { streams, options, look }: Context,
): Promise<string | undefined> {
  const found = await matchingWeights(model, pattern);
  const [first, second] = found;
  if (first === undefined) {
    throw new FormatError(`No tensor matches "${bounded(pattern)}".`, {
      path: model.name,
      hint: "The list of `tensors` names them all.",
    });
  }
  if (second === undefined) return first.name;
  if (rows !== undefined || out !== undefined) {
    throw new UsageError(
      `${counted(found.length, "tensor")} match "${bounded(pattern)}": the first are ${first.name} and ${second.name}.`,
      { hint: "With --rows or --out, name one tensor." },
    );
  }
  if (options.json) writeJson(streams, { pattern, tensors: found });
  else streams.out.write(`${renderList(found, look)}\n`);
  return undefined;
}

function renderList(found: readonly NamedWeight[], look: Look): string {
  const list = table(
    [{ title: "tensor" }, { title: "shape", align: "right" }],
    found.map(({ name, shape }) => [name, shape.join("×")]),
    look,
  );
  return `${list}\n\n${counted(found.length, "tensor")}; name one to see its values.`;
}

async function showStatistics(
  model: Model,
  name: string,
  rows: Rows | undefined,
  { streams, options, signal, look }: Context,
): Promise<number> {
  const found = await tensorStatistics(model, name, { rows, bins: BINS, signal });
  if (options.json) {
    writeJson(streams, found);
    return exitStatus.done;
  }
  const { counts, start, end } = found.histogram;
  const figures = facts(
    [
      ["tensor", found.name],
      ["shape", `${found.shape.join(" × ")}  ${found.encoding}`],
      ["rows", `${found.rows.start} up to ${found.rows.end}`],
      ["min … max", `${measure(found.min)} … ${measure(found.max)}`],
      ["mean", measure(found.mean)],
      ["deviation", measure(found.standardDeviation)],
      ["zeros", String(found.zeros)],
      ["NaN, infinite", `${found.nans}, ${found.infinities}`],
    ],
    look,
  );
  streams.out.write(`${figures}\n\n${histogram(counts, start, end)}\n`);
  return exitStatus.done;
}

/** The one kind of file that is written: another ending asks for something else. */
function outputFile(path: string): string {
  refuseAddress(path, "--out");
  if (/[^/\\]\.npy$/i.test(path)) return path;
  throw new UsageError(
    `The option --out writes a NumPy array, and "${bounded(path)}" does not end in .npy.`,
    {
      hint: "Give a name that ends in .npy; no other kind of file is written.",
    },
  );
}

interface Rows {
  readonly start: number;
  readonly end: number;
}

function parseRows(text: string): Rows {
  const match = /^(\d{1,15}):(\d{1,15})$/.exec(text);
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end <= start)
    throw new UsageError(`"${bounded(text, 40)}" is not a range of rows a:b with a < b.`, {
      hint: "Write --rows 0:4, for example: from row 0 up to, not including, row 4.",
    });
  return { start, end };
}
