/** The model card: what a repository's page says of the files. Pure: texts in, a text out. */
import type { ConversionReport, PlanReport } from "@requant/convert";
import { printable } from "@requant/core/text";
import { byteQuantity } from "../../render/quantity.ts";
import { parseFrontMatter, withFrontMatter } from "./front-matter.ts";

/** What a target made, or would make. */
export interface CardModel {
  readonly report: PlanReport | ConversionReport;
  /** In the repository. */
  readonly opened: {
    /** That a program for GGUF files opens; undefined for a directory. */
    readonly file: string | undefined;
    /** With a slash at the end, or empty. */
    readonly folder: string;
  };
}

/** What a card is made of. */
export interface CardFacts {
  /** `owner/name`, where the files go. */
  readonly repository: string;
  /** Of the hub, that the source was read from; undefined for other sources. */
  readonly baseModel: string | undefined;
  /** The README.md of the source; empty where it has none. */
  readonly sourceCard: string;
  /** The licence that the source's metadata name. */
  readonly licence: string | undefined;
  /** The README.md that the repository has; empty where it has none. */
  readonly existing: string;
  /** Of each target. */
  readonly models: readonly CardModel[];
  /** Options that changed the weights, as the user wrote them. */
  readonly recipe: readonly string[];
  readonly version: string;
}

const BEGIN = "<!-- requant: begin -->";
const END = "<!-- requant: end -->";

const MOST_LINES = 200;
const LONGEST_LINE = 500;

/** Keys that hold for the weights in any format. */
const CARRIED: readonly string[] = ["license", "license_name", "license_link", "language", "pipeline_tag"];

/**
 * The new text of README.md. What stands in an existing one is kept: missing keys are added to its front matter, and Requant's
 * section is put between its own marks, at the end where there are none yet.
 */
export function modelCard(facts: CardFacts): string {
  const { existing, repository } = facts;
  const section = [BEGIN, "", ...sectionLines(facts), "", END].join("\n");
  const start = existing.indexOf(BEGIN);
  const end = existing.indexOf(END, start);
  const kept = existing.trim() === "" ? `# ${titleOf(repository)}\n` : existing;
  const text =
    start >= 0 && end >= 0
      ? existing.slice(0, start) + section + existing.slice(end + END.length)
      : `${kept.trimEnd()}\n\n${section}\n`;
  return withFrontMatter(text, frontMatterOf(facts));
}

function titleOf(repository: string): string {
  return repository.slice(repository.indexOf("/") + 1);
}

function frontMatterOf({ baseModel, sourceCard, licence }: CardFacts): ReadonlyMap<string, string> {
  const { entries } = parseFrontMatter(sourceCard);
  const added = new Map<string, string>();
  for (const key of CARRIED) {
    const entry = entries.get(key);
    if (entry !== undefined) added.set(key, ownLines(entry));
  }
  if (!added.has("license") && licence !== undefined)
    added.set("license", `license: ${JSON.stringify(licence)}`);
  if (baseModel !== undefined) {
    added.set("base_model", `base_model: ${baseModel}`);
    added.set("base_model_relation", "base_model_relation: quantized");
  }
  added.set("tags", "tags:\n- requant");
  return added;
}

/** An entry of a foreign card, as far as its lines belong to its key: no other line may become one of ours. */
function ownLines(entry: string): string {
  const [first = "", ...rest] = entry.split("\n");
  const belonging = rest.slice(0, MOST_LINES).filter((line) => /^(?:\s|- )\s*\S/.test(line));
  return [first, ...belonging].map((line) => printable(line.slice(0, LONGEST_LINE))).join("\n");
}

function sectionLines(facts: CardFacts): string[] {
  const { models, baseModel, recipe, version, repository } = facts;
  const source =
    baseModel === undefined ? "a local model" : `[${baseModel}](https://huggingface.co/${baseModel})`;
  const changed =
    recipe.length === 0 ? "" : ` with ${recipe.map((option) => `\`${cell(option)}\``).join(", ")}`;
  return [
    "## Quantization",
    "",
    `Made from ${source} (${cell(models[0]?.report.source.variant ?? "")}) with Requant ${version}: ${models.map(({ report }) => `\`${report.target.text}\``).join(", ")}${changed}.`,
    "",
    ...models.flatMap(({ report }) => [
      ...(models.length === 1 ? [] : [`### ${report.target.text}`, ""]),
      ...fileLines(report),
      ...errorLines(report),
    ]),
    "## How to run",
    ...models.flatMap(({ opened }) => ["", ...runLines(repository, opened)]),
  ];
}

function fileLines({ target }: CardModel["report"]): string[] {
  return [
    "| file | size |",
    "| --- | ---: |",
    ...target.files.map(({ name, byteLength }) => `| ${cell(name)} | ${byteQuantity(byteLength)} |`),
    "",
  ];
}

/** How many weights kept their values, and the largest measured errors of the others. */
function errorLines(report: CardModel["report"]): string[] {
  const kept = report.tensors.filter(({ fidelity }) => fidelity === "copy" || fidelity === "exact").length;
  const measured = report.tensors
    .flatMap(({ name, to, relativeRmse }) => (relativeRmse === undefined ? [] : [{ name, to, relativeRmse }]))
    .sort((a, b) => b.relativeRmse - a.relativeRmse);
  const lines = [`${kept} of ${report.tensors.length} tensors keep their values.`, ""];
  if (measured.length === 0) return lines;
  const byType = new Map<string, { count: number; sum: number; largest: number }>();
  for (const { to, relativeRmse } of measured) {
    const own = byType.get(to) ?? { count: 0, sum: 0, largest: 0 };
    own.count += 1;
    own.sum += relativeRmse;
    own.largest = Math.max(own.largest, relativeRmse);
    byType.set(to, own);
  }
  return [
    ...lines,
    "Measured errors of the others (root mean square, relative to the values):",
    "",
    "| stored as | tensors | mean | largest |",
    "| --- | ---: | ---: | ---: |",
    ...[...byType].map(
      ([type, { count, sum, largest }]) =>
        `| ${cell(type)} | ${count} | ${percent(sum / count)} | ${percent(largest)} |`,
    ),
    "",
  ];
}

function runLines(repository: string, { file, folder }: CardModel["opened"]): string[] {
  if (file !== undefined) return ["```sh", `llama-cli --hf-repo ${repository} --hf-file ${file}`, "```"];
  const place = folder === "" ? repository : `${repository}/${folder.slice(0, -1)}`;
  const loaded =
    folder === ""
      ? "Any program that reads this format loads the repository by its name."
      : `Any program that reads this format loads the folder \`${cell(folder)}\` of the repository.`;
  return [
    `${loaded} What is in it, and what programs say of it:`,
    "",
    "```sh",
    `requant inspect hf:${place}`,
    `requant doctor hf:${place}`,
    "```",
  ];
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(3)} %`;
}

/** A text in one line, that ends no table cell and no code. */
function cell(text: string): string {
  return printable(text.replace(/[|`]/g, " "));
}
