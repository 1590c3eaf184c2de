/**
 * docs/doctor.md: what llama.cpp does with a sound GGUF after one change, and what `doctor` says. `pnpm doctor-table` measures both
 * again; llama.cpp's side is kept in fixtures/doctor/llama-cpp.json, because a whole measurement takes minutes.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Edit } from "../fixtures/doctor/edits/edit.ts";
import { familyEdits } from "../fixtures/doctor/edits/families.ts";
import { editGroups } from "../fixtures/doctor/edits/index.ts";
import { type GgufParts, readParts } from "../fixtures/gguf-parts.ts";
import { type LoadResult, llamaVerdicts } from "../fixtures/llama-verdicts.ts";
import {
  examineModel,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
} from "../packages/convert/src/index.ts";
import { type Finding, memoryStore } from "../packages/core/src/index.ts";
import { directoryStore } from "../packages/core/src/io/node/index.ts";

const root = resolve(import.meta.dirname, "..");
const recordPath = join(root, "fixtures/doctor/llama-cpp.json");

/** The model that the page is about, and the families whose keys and tensors are taken away one by one. */
const mainModel = "fixtures/kjv/hf";
const familyModels = [
  "fixtures/arch/DeepSeek-V2-tiny-Chat",
  "fixtures/arch/EXAONE-4.0-tiny",
  "fixtures/arch/gemma-tiny",
  "fixtures/arch/gpt-oss-tiny",
  "fixtures/arch/gpt2-tiny",
  "fixtures/arch/granite-3.1-moe-tiny",
  "fixtures/arch/internlm2-tiny",
] as const;

/** The models of the golden set, each by its family: the same changes, recorded in short. */
const goldenPath = join(root, "fixtures/doctor/golden-families.json");

/** What llama.cpp does, by model and edit. */
export type Recorded = Readonly<Record<string, Readonly<Record<string, LoadResult>>>>;

/** A sound GGUF of a Hugging Face directory of the repository. */
export async function soundModel(model: string, folder: string): Promise<GgufParts> {
  const source = await openModel({ store: directoryStore(resolve(root, model)) });
  try {
    const target = model === mainModel ? "gguf:q8_0" : "gguf:f16";
    const plan = await planConversion(source, parseTarget(target), { outputName: "sound.gguf" });
    await runPlan(plan, source, directoryStore(folder), { check: false });
  } finally {
    await source.close();
  }
  return readParts(join(folder, "sound.gguf"));
}

export const models: readonly string[] = [mainModel, ...familyModels];

/** The edits of a model. */
export function editsOf(model: string, parts: GgufParts): readonly Edit[] {
  return model === mainModel ? editGroups.flatMap(({ edits }) => edits) : familyEdits(parts);
}

/** What `doctor` finds in a GGUF in memory. */
export async function findingsOf(bytes: Uint8Array): Promise<readonly Finding[]> {
  const store = memoryStore({ name: "edited" });
  store.files.set("edited.gguf", bytes);
  return (await examineModel({ store, file: "edited.gguf" })).findings;
}

export function readRecord(): Recorded {
  return JSON.parse(readFileSync(recordPath, "utf8"));
}

/** What llama.cpp does with the changes of a golden model: those that are not named it refuses, or ends its process on. */
interface GoldenVerdicts {
  readonly runs: readonly string[];
  readonly "no numbers": readonly string[];
  /** How many are not named. */
  readonly stops: number;
}

export type GoldenRecord = Readonly<Record<string, GoldenVerdicts>>;

export function readGoldenRecord(): GoldenRecord {
  return JSON.parse(readFileSync(goldenPath, "utf8"));
}

/** Where the golden set is, a model of it. */
export function goldenModel(golden: string, name: string): string {
  return join(golden, "arch/hf", name);
}

/** Changes of a golden model about which doctor and the record disagree. */
export async function goldenDisagreements(path: string, recorded: GoldenVerdicts): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
  try {
    const parts = await soundModel(path, folder);
    const edits = familyEdits(parts);
    const wrong: string[] = [];
    const named = recorded.runs.length + recorded["no numbers"].length;
    if (edits.length !== named + recorded.stops) wrong.push(`${edits.length} changes, others were recorded`);
    for (const edit of edits) {
      const does = recorded.runs.includes(edit.name)
        ? "runs"
        : recorded["no numbers"].includes(edit.name)
          ? "no numbers"
          : "refuses";
      if (!agrees({ does, says: "" }, await findingsOf(await edit.bytes(parts))))
        wrong.push(`${edit.name}: ${does}`);
    }
    return wrong;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes each edited file and has llama.cpp load it. */
export async function measure(parts: GgufParts, edits: readonly Edit[]): Promise<Record<string, LoadResult>> {
  const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
  try {
    const paths = edits.map((_, i) => join(folder, `${i}.gguf`));
    for (const [i, edit] of edits.entries()) writeFileSync(paths[i] ?? "", await edit.bytes(parts));
    const verdicts = await llamaVerdicts(paths);
    return Object.fromEntries(
      edits.map(({ name }, i) => {
        const { does, says } = verdicts.get(paths[i] ?? "") ?? { does: "does not end", says: "" };
        return [name, { does, says: reasonIn(says, folder) }];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The sentence that tells why, without paths of the machine. */
function reasonIn(says: string, folder: string): string {
  const parts = says.replaceAll(folder, "").split(" | ");
  const telling =
    parts.find((part) => /error loading model|tensor|gguf_init|key/.test(part)) ?? parts[0] ?? "";
  return (
    telling
      .replace(/^.*error loading model(?: \w+)?: /, "")
      .replace(/^\w+: /, "")
      .replace(/^\/\S*\/([\w-]+\.cpp:)/, "$1")
      // the file's own bytes among it
      .replace(/[\s\p{Cc}]+/gu, " ")
      .replace(/\/\d+\.gguf/g, "the file")
      .trim()
  );
}

const code = (text: string): string => `\`${text.replaceAll("`", "'").replaceAll("|", "\\|")}\``;

function doctorCell(findings: readonly Finding[]): string {
  const said = findings.map(({ severity, code: name }) => `${severity} ${code(name)}`);
  return said.length === 0 ? "nothing" : [...new Set(said)].join(", ");
}

function llamaCell({ does, says }: LoadResult): string {
  return says === "" ? does : `${does}: ${code(says)}`;
}

/** Whether doctor has an error exactly where llama.cpp refuses the file or ends on it, and a warning where no numbers come out. */
export function agrees({ does }: LoadResult, findings: readonly Finding[]): boolean {
  const has = (wanted: Finding["severity"]): boolean => findings.some(({ severity }) => severity === wanted);
  if (does === "runs") return !has("error");
  return does === "no numbers" ? has("warning") && !has("error") : has("error");
}

export interface Row {
  readonly edit: Edit;
  readonly result: LoadResult;
  readonly findings: readonly Finding[];
}

/** Both sides of every edit of a model: what was recorded of llama.cpp, and what doctor says now. */
export async function rowsOf(model: string, recorded: Recorded): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
  try {
    const parts = await soundModel(model, folder);
    const rows: Row[] = [];
    for (const edit of editsOf(model, parts)) {
      const result = recorded[model]?.[edit.name] ?? { does: "does not end", says: "not measured" };
      rows.push({ edit, result, findings: await findingsOf(await edit.bytes(parts)) });
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The page. */
export function doctorDocument(rows: ReadonlyMap<string, readonly Row[]>): string {
  const all = rows.get(mainModel) ?? [];
  const refused = all.filter(({ result }) => result.does !== "runs").length;
  const tables = editGroups.flatMap(({ title, edits }) => [
    `## ${title}`,
    "",
    "| change | llama.cpp | doctor |",
    "| --- | --- | --- |",
    ...all
      .filter(({ edit }) => edits.some(({ name }) => name === edit.name))
      .map(
        ({ edit, result, findings }) =>
          `| ${edit.name.replaceAll("|", "\\|").replaceAll("<", "&lt;")} | ${llamaCell(result)} | ${doctorCell(findings)} |`,
      ),
    "",
  ]);
  return [
    "# Doctor and llama.cpp",
    "",
    `One change at a time to a sound GGUF (\`${mainModel}\` as Q8_0): what llama.cpp does with the file, and what \`requant doctor\` says about it. llama.cpp is the library that node-llama-cpp ${clientVersion()} brings; a file *runs* when it loads and the logits after two tokens are finite numbers. \`doctor\` has an error for every file that llama.cpp refuses or ends its process on, and for no other; for a file that it loads and computes no numbers with, \`doctor\` has a warning. Of ${all.length} changed files ${refused} do not run.`,
    "",
    "Written by `pnpm doctor-table`, which measures both sides again. What llama.cpp did is kept in `fixtures/doctor/llama-cpp.json`; a test computes doctor's side anew and loads a sample of the files.",
    "",
    ...tables,
    "## Other families",
    "",
    "Of each model every key of the family and of the tokenizer is taken away, given another type, zeroed and doubled; every tensor outside the layers and of the first layer of each kind is removed, cut by a row and stored as floats of the other length; and a block is added that predicts a further token.",
    "",
    "| model | changes | llama.cpp refuses or ends | doctor has an error |",
    "| --- | ---: | ---: | ---: |",
    ...familyModels.map((model) => familyRow(model, rows.get(model) ?? [])),
    "",
    "## Families of the golden set",
    "",
    "The same changes to the models of the golden set. Where `REQUANT_GOLDEN` names it, a test holds `doctor` against what was recorded (`fixtures/doctor/golden-families.json`).",
    "",
    "| model | changes | refuses or ends | computes no numbers | runs |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...Object.entries(readGoldenRecord()).map(([name, record]) => goldenRow(name, record)),
    "",
  ].join("\n");
}

function goldenRow(name: string, { runs, "no numbers": silent, stops }: GoldenVerdicts): string {
  return `| ${name} | ${runs.length + silent.length + stops} | ${stops} | ${silent.length} | ${runs.length} |`;
}

function familyRow(model: string, rows: readonly Row[]): string {
  const stopped = rows.filter(({ result }) => !["runs", "no numbers"].includes(result.does)).length;
  const errors = rows.filter(({ findings }) => findings.some(({ severity }) => severity === "error")).length;
  return `| ${code(model)} | ${rows.length} | ${stopped} | ${errors} |`;
}

function clientVersion(): string {
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return devDependencies["node-llama-cpp"];
}

/** Both sides of all models. */
export async function allRows(recorded: Recorded): Promise<ReadonlyMap<string, readonly Row[]>> {
  const rows = new Map<string, readonly Row[]>();
  for (const model of models) rows.set(model, await rowsOf(model, recorded));
  return rows;
}

/** What llama.cpp does with every edit of every model; takes minutes. */
async function measureAll(): Promise<Recorded> {
  const recorded: Record<string, Record<string, LoadResult>> = {};
  for (const model of models) {
    const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
    try {
      const parts = await soundModel(model, folder);
      recorded[model] = await measure(parts, editsOf(model, parts));
      console.log(`${model}: measured`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  mkdirSync(dirname(recordPath), { recursive: true });
  writeFileSync(recordPath, `${JSON.stringify(recorded, null, 1)}\n`);
  return recorded;
}

/** Writes the record and the page, and says where the two sides disagree. `--page`: what was recorded is used. */
async function main(): Promise<void> {
  const rows = await allRows(process.argv.includes("--page") ? readRecord() : await measureAll());
  writeFileSync(join(root, "docs/doctor.md"), doctorDocument(rows));
  for (const [model, list] of rows) {
    for (const { edit, result, findings } of list.filter((row) => !agrees(row.result, row.findings))) {
      process.exitCode = 1;
      console.log(`${model}: ${edit.name}: llama.cpp ${llamaCell(result)}; doctor ${doctorCell(findings)}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
