import type { Readable } from "node:stream";
import { UsageError } from "@requant/core";
import { printable } from "@requant/core/text";
import type { GgufChoice } from "@requant/gguf";
import type { Context } from "../context.ts";
import { lookOf } from "../render/look.ts";
import { byteQuantity } from "../render/quantity.ts";
import { table } from "../render/table.ts";
import type { Chooser, NamedChoice } from "./model-files.ts";

/** Models in one line of a hint. */
const SHOWN = 40;

/** Asks on a terminal which model is meant; elsewhere the models are listed in the error, or above it. */
export function modelChooser({
  streams,
  options,
  signal,
}: Pick<Context, "streams" | "options" | "signal">): Chooser {
  return async (choices, place) => {
    const several = `${place} holds ${choices.length} GGUF models.`;
    if (options.json === true) throw severalModels(several, choices);
    const look = lookOf({ isTTY: streams.err.isTTY });
    streams.err.write(`${several}\n\n${choiceTable(choices, look)}\n\n`);
    const { input } = streams;
    if (input?.isTTY !== true || streams.err.isTTY !== true || options.quiet === true) {
      throw severalModels(several, choices.slice(0, 1));
    }
    const chosen = await ask(input, (text) => streams.err.write(text), choices, signal);
    if (chosen === undefined) throw severalModels(several, choices.slice(0, 1));
    return chosen;
  };
}

function severalModels(message: string, choices: readonly NamedChoice[]): UsageError {
  const names = choices.slice(0, SHOWN).map(({ address }) => address);
  return new UsageError(message, {
    hint: `Name one of them${names.length === 1 ? ", such as" : ":"} ${names.join(", ")}.`,
    reason: "several-models",
  });
}

function choiceTable(choices: readonly NamedChoice[], look: ReturnType<typeof lookOf>): string {
  return table(
    [{ title: "", align: "right" }, { title: "model" }, { title: "size", align: "right" }, { title: "file" }],
    choices.map(({ choice: { byteLength, file, files }, address }, index) => [
      String(index + 1),
      address,
      byteLength === undefined ? "" : byteQuantity(byteLength),
      files.length > 1 ? `${file} and ${files.length - 1} more` : file,
    ]),
    look,
  );
}

/** By number or by quantization, until an answer fits; undefined where the input ends or the answer is empty. */
async function ask(
  input: Readable,
  write: (text: string) => void,
  choices: readonly NamedChoice[],
  signal: AbortSignal,
): Promise<GgufChoice | undefined> {
  const { createInterface } = await import("node:readline");
  const lines = createInterface({ input, terminal: false });
  const stop = (): void => lines.close();
  signal.addEventListener("abort", stop, { once: true });
  const question = `Which one? A number from 1 to ${choices.length}, or a quantization: `;
  try {
    write(question);
    for await (const line of lines) {
      const answer = line.trim();
      if (answer === "") return undefined;
      const found = choices.find(
        ({ choice }, index) =>
          String(index + 1) === answer ||
          choice.quantization === answer.toUpperCase() ||
          choice.file === answer,
      );
      if (found !== undefined) return found.choice;
      write(`There is no ${printable(answer.slice(0, 40))}. ${question}`);
    }
    signal.throwIfAborted();
    return undefined;
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}
