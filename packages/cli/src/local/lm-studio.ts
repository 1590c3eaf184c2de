/**
 * Models that LM Studio has downloaded: OWNER/REPO/FILE.gguf below its folder of models (LM Studio docs, "Import
 * models"). Its home stands in a pointer file, and its settings can name another folder of models.
 */
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { IoError, UsageError } from "@requant/core";
import { type HubAddress, parseModelName, shownHubAddress } from "@requant/core/hub";
import { directoryStore } from "@requant/core/node";
import { bounded, didYouMean } from "@requant/core/text";
import * as z from "zod";
import type { Context } from "../context.ts";
import { filesBelow, isThere } from "../files-below.ts";
import { modelChooser } from "../hub/choose-model.ts";
import { modelFiles } from "../hub/model-files.ts";
import type { Location } from "../location.ts";

const SCHEME = "lmstudio:";
const settingsSchema = z.object({ downloadsFolder: z.string().min(1) });

const shownAddress = (address: Pick<HubAddress, "repository"> & Partial<HubAddress>): string =>
  `${SCHEME}${shownHubAddress(address).slice("hf:".length)}`;

/** `lmstudio:owner/repo[:QUANT][/file]` */
export async function locateLmStudio(
  argument: string,
  context: Pick<Context, "signal" | "streams" | "options">,
): Promise<Location> {
  const address = parseModelName(argument.slice(SCHEME.length));
  if (address === undefined || address.revision !== undefined) {
    throw new UsageError(`${bounded(argument)}: this is not the name of a model of LM Studio.`, {
      hint: "Write lmstudio:owner/repo, lmstudio:owner/repo:Q4_K_M, or the path of the file.",
    });
  }
  const models = await modelsFolder(homedir());
  const folder = join(models, ...address.repository.split("/"));
  if (!(await isThere(folder))) {
    throw new IoError(
      `${shownAddress(address)}: LM Studio has no such model here.${didYouMean(address.repository, await repositoriesIn(models))}`,
      { path: models, hint: "Check the name: lms ls lists the models." },
    );
  }
  const found = await modelFiles(address, await filesBelow(folder), modelChooser(context), shownAddress);
  const directory = found.folder === undefined ? folder : join(folder, ...found.folder.split("/"));
  const named = found.file === undefined ? {} : { named: [found.file] };
  return { store: directoryStore(directory, named), file: found.file, directory };
}

async function modelsFolder(user: string): Promise<string> {
  const pointer = (await readFile(join(user, ".lmstudio-home-pointer"), "utf8").catch(() => "")).trim();
  const homes = [join(user, ".lmstudio"), join(user, ".cache", "lm-studio")];
  if (pointer !== "") homes.unshift(pointer);
  for (const home of homes) {
    if (!(await isThere(home))) continue;
    const text = await readFile(join(home, "settings.json"), "utf8").catch(() => "");
    return (await namedFolder(text)) ?? join(home, "models");
  }
  return join(homes[0] ?? user, "models");
}

/** The folder that the settings name, where it is there. */
async function namedFolder(text: string): Promise<string | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const settings = settingsSchema.safeParse(json);
  if (!settings.success) return undefined;
  const { downloadsFolder } = settings.data;
  return (await isThere(downloadsFolder)) ? downloadsFolder : undefined;
}

async function repositoriesIn(models: string): Promise<string[]> {
  const names: string[] = [];
  for (const owner of await readdir(models).catch(() => [])) {
    for (const name of await readdir(join(models, owner)).catch(() => [])) names.push(`${owner}/${name}`);
  }
  return names;
}
