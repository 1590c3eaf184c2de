/** Names of a model's tensors for a shell that completes them. */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type Model, matchingWeights, openModel } from "@requant/convert";
import { directoryStore } from "@requant/core/node";

/** More are no help on a command line. */
const MOST_NAMES = 20_000;

/**
 * Characters that no shell takes for its own: what is completed stands on the command line, and a name of a hostile file
 * must not become a command.
 */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_./:-]*$/;

/** The names, from the header alone; none where there is no model at the path. Nothing is asked of a server. */
export async function tensorNames(path: string, signal?: AbortSignal): Promise<string[]> {
  try {
    const full = resolve(path);
    const isFolder = (await stat(full)).isDirectory();
    const store = directoryStore(isFolder ? full : dirname(full));
    const model = await openModel({ store, file: isFolder ? undefined : basename(full) }, { signal });
    try {
      const names = [...model.tensors.map(({ name }) => name), ...(await namesAsGguf(model))];
      return names.filter((name) => PLAIN.test(name)).slice(0, MOST_NAMES);
    } finally {
      await model.close();
    }
  } catch {
    // a shell that completes shows no errors
    return [];
  }
}

/** Names of the output's tensors, which options of a conversion take, where the model has others. */
async function namesAsGguf(model: Model): Promise<string[]> {
  const names: string[] = [];
  if (model.naming === "gguf") return names;
  for (const pattern of ["token_embd*", "blk.*", "output*"]) {
    for (const { name } of await matchingWeights(model, pattern)) names.push(name);
  }
  return names;
}
