/** Tokens to hidden states. */
import { UsageError } from "@requant/core";
import type { HiddenStates } from "../hidden-states.ts";
import { EMBEDDING_NAME } from "./embedding-name.ts";
import { batchesOf, type Pass, writeBatch } from "./pass.ts";

/** Reads the rows of these tokens, neighbours together, each once. */
async function readRowsOf(
  { source, settings }: Pass,
  tokens: Int32Array,
): Promise<Map<number, Float32Array>> {
  const ids = [...new Set(tokens)].sort((a, b) => a - b);
  const rows = new Map<number, Float32Array>();
  for (let start = 0; start < ids.length; ) {
    const first = ids[start]!;
    let run = 1;
    while (ids[start + run] === first + run) run++;
    const values = new Float32Array(run * settings.hidden);
    await source.readRows(EMBEDDING_NAME, first, first + run, values);
    for (let i = 0; i < run; i++) {
      rows.set(first + i, values.subarray(i * settings.hidden, (i + 1) * settings.hidden));
    }
    start += run;
  }
  return rows;
}

/**
 * Writes the embeddings of all windows.
 * @param tokens ids[windows, tokens]
 * @throws UsageError for ids that the vocabulary does not have, and for windows longer than learned positions
 */
export async function embed(pass: Pass, tokens: Int32Array, states: HiddenStates): Promise<void> {
  const { settings, source, scratch } = pass;
  const { hidden, vocabulary, embeddingScale } = settings;
  if (tokens.length !== states.windows * states.tokens || states.columns !== hidden) {
    throw new UsageError(
      `${tokens.length} tokens do not fit ${states.windows} windows of ${states.tokens} tokens with ${states.columns} numbers (the model has ${hidden}).`,
    );
  }
  const wrong = tokens.find((id) => id < 0 || id >= vocabulary);
  if (wrong !== undefined) {
    throw new UsageError(
      `The text has the token ${wrong}, but the model has the tokens 0 to ${vocabulary - 1}.`,
      {
        hint: "Use the tokenizer of this model.",
      },
    );
  }
  let positions: Float32Array | undefined;
  if (settings.description.positions === "learned") {
    const known = source.shapes.get("position_embd.weight")?.[0] ?? 0;
    if (states.tokens > known) {
      throw new UsageError(
        `A window of ${states.tokens} tokens is longer than the ${known} positions that the model has.`,
        {
          hint: `Choose windows of at most ${known} tokens.`,
        },
      );
    }
    positions = new Float32Array(states.tokens * hidden);
    await source.readRows("position_embd.weight", 0, states.tokens, positions);
  }
  for (const batch of batchesOf(pass, states)) {
    const start = batch.first * states.tokens;
    const ids = tokens.subarray(start, start + batch.tokens);
    const rows = await readRowsOf(pass, ids);
    const x = scratch.floats("x", batch.tokens * hidden);
    for (let token = 0; token < batch.tokens; token++) {
      const row = rows.get(ids[token]!)!;
      const position = (token % states.tokens) * hidden;
      for (let i = 0; i < hidden; i++) {
        x[token * hidden + i] = row[i]! * embeddingScale + (positions?.[position + i] ?? 0);
      }
    }
    await writeBatch(states, batch, x);
  }
}
