/** What a model card says, from the source, the repository and the conversion. */
import {
  type ConversionReport,
  type Model,
  type Plan,
  type PlanReport,
  planReport,
  plansByTarget,
  reportsByTarget,
} from "@requant/convert";
import { type ByteSource, isCodecError, type ReadStore } from "@requant/core";
import { type HubRepository, openHub, parseHubAddress } from "@requant/core/hub";
import { commonFolder } from "../../common-folder.ts";
import type { Context } from "../../context.ts";
import { byteQuantity } from "../../render/quantity.ts";
import { VERSION } from "../../version.ts";
import { type CardModel, modelCard } from "./card.ts";
import type { HubTarget } from "./target.ts";

/** A longer card is not read: it would be no text for people. */
const LONGEST_CARD = 4 * 1024 * 1024;
/** The model card of a repository. */
export const CARD = "README.md";

/** Options that decide what becomes of the weights, with their values; all others change only how it is done. */
const RECIPE: readonly string[] = [
  "imatrix",
  "calibrate",
  "targetBpw",
  "targetSize",
  "pure",
  "tensor",
  "outputTensor",
  "tokenEmbedding",
  "leaveOutput",
  "grids",
  "requantizeRest",
  "allowRequantize",
  "pruneLayers",
  "llamafy",
];

/** The repository's files as they are; undefined where there is no such repository yet. */
export async function targetRepository(
  { endpoint, token, repository, branch }: HubTarget,
  signal: AbortSignal | undefined,
): Promise<HubRepository | undefined> {
  try {
    const asking = signal === undefined ? {} : { signal };
    return await openHub({ endpoint, repository, revision: branch, token, ...asking });
  } catch (error) {
    if (isCodecError(error) && error.reason === "repository-not-found") return undefined;
    throw error;
  }
}

/** The card after the conversion, or, with a plan's report, before. */
export async function cardText(
  target: HubTarget,
  model: Model,
  existing: ReadStore | undefined,
  report: PlanReport | ConversionReport,
  plan: Plan,
  { options }: Pick<Context, "options">,
): Promise<string> {
  const plans = plansByTarget(plan);
  const models = reportsByTarget(plan, report).map(
    (own, index): CardModel => ({ report: own, opened: openedIn(target, plans[index]?.files ?? []) }),
  );
  return modelCard({
    repository: target.repository,
    baseModel: baseModelOf(model, target.endpoint),
    sourceCard: await textOf(model.origin?.store),
    licence: licenceOf(model),
    existing: await textOf(existing),
    models,
    recipe: recipeOf(options),
    version: VERSION,
  });
}

/** What programs open of the files of a target. */
function openedIn({ folder }: HubTarget, files: Plan["files"]): CardModel["opened"] {
  const gguf = files.find(({ kind }) => kind === "gguf");
  return {
    file: gguf === undefined ? undefined : folder + gguf.name,
    folder: folder + commonFolder(files.map(({ name }) => name)),
  };
}

export async function cardPreview(
  target: HubTarget,
  plan: Plan,
  model: Model,
  context: Context,
): Promise<string> {
  const there = await targetRepository(target, context.signal);
  const { repository, folder, isPrivate } = target;
  const made = isPrivate ? "would be made, private" : "would be made, as public as your account makes them";
  const sent = plan.files.filter(({ name }) => folder + name !== CARD);
  const files = sent.map(({ name, byteLength }) => `  ${folder}${name}  ${byteQuantity(byteLength)}`);
  const card = await cardText(target, model, there?.store(), planReport(plan), plan, context);
  return [
    `The repository ${repository} ${there === undefined ? made : "is there"}. These files would be sent:`,
    ...files,
    "",
    `${CARD} would be, with the measured errors:`,
    "",
    card,
  ].join("\n");
}

/** The repository that the source was read from. */
function baseModelOf({ folder }: Model, endpoint: string): string | undefined {
  if (!/^https?:\/\//i.test(folder)) return undefined;
  try {
    return parseHubAddress(folder, { endpoint })?.repository;
  } catch {
    return undefined;
  }
}

function licenceOf({ gguf }: Model): string | undefined {
  const licence = gguf?.metadata.get("general.license");
  return licence?.type === "string" ? licence.value : undefined;
}

/** README.md of a folder; empty where there is none, or it cannot be read. */
async function textOf(store: ReadStore | undefined): Promise<string> {
  let source: ByteSource | undefined;
  try {
    source = await store?.open(CARD);
    if (source === undefined || source.byteLength > LONGEST_CARD) return "";
    return new TextDecoder().decode(await source.read(0, source.byteLength));
  } catch (error) {
    if (isCodecError(error)) return "";
    throw error;
  } finally {
    await source?.close();
  }
}

function recipeOf(given: Context["options"]): string[] {
  const values = new Map<string, unknown>(Object.entries(given));
  return RECIPE.flatMap((name) => {
    const value = values.get(name);
    if (value === undefined || value === false) return [];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const words = Array.isArray(value)
      ? value.map(String)
      : value === true
        ? [""]
        : [shownValue(String(value))];
    return words.map((word) => (word === "" ? flag : `${flag} ${word}`));
  });
}

/** The name of a file, without the folders of this machine. */
function shownValue(value: string): string {
  return value.slice(Math.max(value.lastIndexOf("/"), value.lastIndexOf("\\")) + 1);
}
