/** The table of `choose`. */
import {
  type Candidate,
  type Choice,
  type ChoiceSubject,
  type ContextMemory,
  type Figure,
  figureSources,
} from "@requant/convert";
import type { Look } from "./look.ts";
import { byteQuantity, countQuantity } from "./quantity.ts";
import { paragraph, table } from "./table.ts";

export interface ChoicesShown {
  readonly choices: readonly Choice[];
  readonly subject: ChoiceSubject;
  readonly memory: number | undefined;
  readonly context: ContextMemory | undefined;
  /** Where the memory of the context comes from. */
  readonly basis: string | undefined;
  /** Bytes of the smallest choice, whether it fits or not. */
  readonly least: number;
}

export function renderChoices(shown: ChoicesShown, look: Look): string {
  const { choices, subject, context, least } = shown;
  const size = `${countQuantity(subject.parameters)} parameters`;
  if (choices.length === 0) {
    const what = context === undefined ? size : `${size} and a context of ${context.tokens} tokens`;
    return `Nothing fits: the smallest format takes ${byteQuantity(least)} for ${what}.`;
  }
  return [paragraph(introduction(shown, size), look), choiceTable(choices, look), sources(look)].join("\n\n");
}

function introduction({ choices, memory, context, basis }: ChoicesShown, size: string): string {
  const limit =
    memory === undefined ? "" : `, at most ${byteQuantity(memory)}${largestWords(choices, memory)}`;
  const room =
    context === undefined
      ? "Sizes are of the weights alone: the context takes memory on top (--context)."
      : `A context of ${context.tokens} tokens takes ${byteQuantity(context.byteLength)} on top (total): ${basis}`;
  return `${size}${limit}. ${room} PPL: perplexity above the float model's; imat: the same with an importance matrix; KL: divergence from it.`;
}

/** The first of the list is the largest that fits. */
function largestWords([largest]: readonly Choice[], memory: number): string {
  if (largest === undefined) return "";
  const left = memory - (largest.totalByteLength ?? largest.byteLength);
  return `: ${largest.target} is the largest that fits, and leaves ${byteQuantity(left)}`;
}

function choiceTable(choices: readonly Choice[], look: Look): string {
  const hasTotal = choices.some(({ totalByteLength }) => totalByteLength !== undefined);
  const right = (title: string): { title: string; align: "right" } => ({ title, align: "right" });
  return table(
    [
      { title: "target" },
      right("size"),
      ...(hasTotal ? [right("total")] : []),
      ...["bits", "PPL[1]", "imat[1]", "KL[1]", "PPL[2]", "PPL[3]"].map(right),
    ],
    choices.map((choice) => [
      choice.target,
      byteQuantity(choice.byteLength),
      ...(hasTotal ? [byteQuantity(choice.totalByteLength ?? choice.byteLength)] : []),
      choice.bitsPerWeight.toFixed(2),
      figure(choice, ({ source, calibrated }) => source === "llama.cpp-8B" && !calibrated),
      figure(choice, ({ source, calibrated }) => source === "llama.cpp-8B" && calibrated),
      choice.figures.find(({ klDivergence }) => klDivergence !== undefined)?.klDivergence?.toFixed(4) ?? "",
      figure(choice, ({ source }) => source === "llama.cpp-70B"),
      ofPaper(choice),
    ]),
    look,
  );
}

function figure({ figures }: Candidate, wanted: (one: Figure) => boolean): string {
  const found = figures.find(wanted);
  return found === undefined ? "" : `+${found.increase.toFixed(3)}`;
}

function ofPaper({ figures }: Candidate): string {
  const found = figures.filter(({ source }) => source === "arXiv-2404.14047");
  return found.map(({ increase }) => `+${increase.toFixed(1)}`).join("/");
}

function sources(look: Look): string {
  return Object.values(figureSources)
    .map(({ title, url, about }, index) =>
      paragraph(`[${index + 1}] ${about}. ${title}, ${url}`, look, "    "),
    )
    .join("\n");
}
