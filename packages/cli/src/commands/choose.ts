import { smallest, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { parseByteSize } from "../byte-size.ts";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { type Candidate, candidates, estimatedBytes, type Figure, figureSources } from "../figures.ts";
import { parseParameterCount } from "../name-rules.ts";
import type { Look } from "../render/look.ts";
import { byteQuantity, countQuantity } from "../render/quantity.ts";
import { paragraph, table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

interface Choice extends Candidate {
  readonly byteLength: number;
  readonly fits: boolean | undefined;
}

export const choose: Handler = async (_arguments, given, { streams, options, look }) => {
  const parameters = parseParameterCount(String(given["parameters"]));
  if (parameters === undefined) {
    throw new UsageError(`"${bounded(String(given["parameters"]), 40)}" is not a number of parameters.`, {
      hint: "Write --parameters 8B, for example, or 1.1B, 8x7B, 350M.",
    });
  }
  const memory = typeof given["memory"] === "string" ? parseByteSize(given["memory"]) : undefined;
  const choices = candidates
    .map((candidate): Choice => {
      const byteLength = estimatedBytes(candidate, parameters);
      return { ...candidate, byteLength, fits: memory === undefined ? undefined : byteLength <= memory };
    })
    .filter(({ fits }) => fits !== false)
    .sort((a, b) => b.byteLength - a.byteLength);
  if (options.json) {
    writeJson(streams, {
      parameters,
      ...(memory === undefined ? {} : { memory }),
      choices,
      sources: figureSources,
    });
  } else {
    streams.out.write(`${render(choices, parameters, memory, look)}\n`);
  }
  return choices.length > 0 ? exitStatus.done : exitStatus.different;
};

function render(
  choices: readonly Choice[],
  parameters: number,
  memory: number | undefined,
  look: Look,
): string {
  if (choices.length === 0) {
    return `Nothing fits: the smallest of ${candidates.length} formats takes ${byteQuantity(
      smallest(candidates.map((candidate) => estimatedBytes(candidate, parameters))) ?? 0,
    )} for ${countQuantity(parameters)} parameters.`;
  }
  const figure = (candidate: Candidate, wanted: (one: Figure) => boolean): string => {
    const found = candidate.figures.find(wanted);
    return found === undefined ? "" : `+${found.increase.toFixed(3)}`;
  };
  const ofPaper = ({ figures }: Candidate): string => {
    const found = figures.filter(({ source }) => source === "arXiv-2404.14047");
    return found.map(({ increase }) => `+${increase.toFixed(1)}`).join("/");
  };
  const rows = choices.map((choice) => [
    choice.target,
    byteQuantity(choice.byteLength),
    choice.bitsPerWeight.toFixed(2),
    figure(choice, ({ source, calibrated }) => source === "llama.cpp-8B" && !calibrated),
    figure(choice, ({ source, calibrated }) => source === "llama.cpp-8B" && calibrated),
    choice.figures.find(({ klDivergence }) => klDivergence !== undefined)?.klDivergence?.toFixed(4) ?? "",
    figure(choice, ({ source }) => source === "llama.cpp-70B"),
    ofPaper(choice),
  ]);
  return [
    paragraph(
      `${countQuantity(parameters)} parameters${memory === undefined ? "" : `, at most ${byteQuantity(memory)}`}. Sizes are of the weights alone: the context takes memory on top. PPL: perplexity above the float model's; imat: the same with an importance matrix; KL: divergence from it.`,
      look,
    ),
    table(
      [
        { title: "target" },
        { title: "size", align: "right" },
        { title: "bits", align: "right" },
        { title: "PPL[1]", align: "right" },
        { title: "imat[1]", align: "right" },
        { title: "KL[1]", align: "right" },
        { title: "PPL[2]", align: "right" },
        { title: "PPL[3]", align: "right" },
      ],
      rows,
      look,
    ),
    Object.values(figureSources)
      .map(({ title, url, about }, index) =>
        paragraph(`[${index + 1}] ${about}. ${title}, ${url}`, look, "    "),
      )
      .join("\n"),
  ].join("\n\n");
}
