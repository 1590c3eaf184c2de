/** Where a plan may be saved: not over what the conversion reads or makes. */
import { basename, dirname, join, resolve, sep } from "node:path";
import { type Model, type Plan, refuseSourceFiles } from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { isAddress } from "../local-file.ts";
import { STANDARD_OUTPUT } from "../output.ts";

const HINT = "Save the plan into a folder of its own.";

/** @throws UsageError for standard output, and for an address: a plan is saved to a path */
export function refuseNoPath(planOut: string): void {
  if (STANDARD_OUTPUT.includes(planOut)) {
    throw new UsageError("A plan is not written to standard output.", {
      hint: "Give --plan-out the path of a file that all machines read.",
    });
  }
  if (!isAddress(planOut)) return;
  throw new UsageError("A plan is saved to a path, and this is an address.", {
    hint: "Give --plan-out the path of a file, and copy the file to where all machines read it.",
  });
}

/** The file of the scales that are searched for a plan; it lies beside the plan. */
export function scalesBeside(path: string): string {
  return `${path}.scales.safetensors`;
}

/**
 * Refuses a plan that would replace a file of the source, or lie inside the source's folder. Real paths are compared.
 * @param read further files and folders that the conversion reads
 * @throws UsageError
 */
export async function refuseSourceAsPlan(path: string, model: Model, read: readonly string[]): Promise<void> {
  const written = [...(await placesOf(path)), ...(await placesOf(scalesBeside(path)))];
  const models = [model.merged?.base ?? model, model.merged?.adapter].filter((part) => part !== undefined);
  const places = await Promise.all([Promise.all(read.map(realPathOf)), ...models.map(sourcesOf)]);
  const sources = places.flat();
  if (!written.some((own) => sources.some((source) => isWithin(own, source)))) {
    // hard links have other paths
    const names = [basename(path), basename(scalesBeside(path))];
    return refuseSourceFiles(model, directoryStore(dirname(resolve(path))), names);
  }
  throw new UsageError("The plan would be saved over a file of the source, or inside its folder.", {
    path,
    hint: HINT,
  });
}

/**
 * Refuses a plan that has the path of an output file, or of a folder that the output needs.
 * @throws UsageError
 */
export async function refuseOutputAsPlan(path: string, output: string, { files }: Plan): Promise<void> {
  const written = await placesOf(path);
  for (const { name } of files) {
    const made = await realPathOf(join(output, name));
    if (!written.some((own) => isWithin(made, own))) continue;
    throw new UsageError("The plan and the output have the same path.", { path, hint: HINT });
  }
}

/** The folder or the file that a model is, its files, and those beside it that are read; none where it is on a server. */
async function sourcesOf({ origin, files, hf }: Model): Promise<string[]> {
  const placeOf = origin?.store.realPath?.bind(origin.store);
  if (placeOf === undefined) return [];
  const sideFiles = (await hf?.sideFileBytes())?.keys() ?? [];
  const names = [...files.map(({ name }) => name), ...sideFiles];
  return Promise.all([placeOf(origin?.file), ...names.map((name) => placeOf(name))]);
}

/** Both the place that is named and the one that a link there leads to. */
async function placesOf(path: string): Promise<readonly string[]> {
  const full = resolve(path);
  return [join(await realPathOf(dirname(full)), basename(full)), await realPathOf(full)];
}

async function realPathOf(path: string): Promise<string> {
  const full = resolve(path);
  return (await directoryStore(full).realPath?.()) ?? full;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
