/** Writes docs/findings.md: every code of a finding, from the tables of findings. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { diagnoses } from "../packages/convert/src/compare/diagnoses.ts";
import { contentKinds } from "../packages/convert/src/model/findings/content-kinds.ts";
import { fileKinds } from "../packages/convert/src/model/findings/file-kinds.ts";
import type { FindingKind } from "../packages/convert/src/model/findings/kind.ts";
import { planKinds, runKinds } from "../packages/convert/src/model/findings/work-kinds.ts";

const sections: readonly (readonly [title: string, kinds: Readonly<Record<string, FindingKind>>])[] = [
  ["The files of a model", fileKinds],
  ["What the files say", contentKinds],
  ["Plans", planKinds],
  ["Runs", runKinds],
  [
    "Comparisons",
    Object.fromEntries(
      diagnoses.map(({ code, meaning, hint }) => [code, { severity: "warning", meaning, hint } as const]),
    ),
  ],
];

const shape = '{"code", "severity", "message", "path"?, "tensor"?, "key"?, "offset"?, "index"?, "hint"?}';

export function findingsDocument(): string {
  return [
    "# Findings",
    "",
    "A finding is something that Requant tells the user and that does not stop the work. What stops the work is an error, which has a code of its own (`FORMAT`, `LIMIT`, `UNSUPPORTED`, `IO`, `CONVERSION`, `USAGE`).",
    "",
    `Every finding has the same shape, in the libraries (\`Finding\` of \`@requant/core\`) and wherever the command line prints JSON: \`${shape}\`. The message and the hint are sentences. Codes are added, never changed.`,
    "",
    "| severity | meaning |",
    "| --- | --- |",
    "| error | The model cannot be read, or does not compute what it should. |",
    "| warning | The model can be read; it, or other programs with it, may not do what it should. |",
    "| note | Worth knowing, and nothing that is wrong. |",
    "",
    "Warnings are the findings that are not notes: `inspect`, `convert`, `plan` and `verify` print them on stderr, and with `--json` have them as `warnings`; notes are in the report, with `--json` as `notes`. `verify` has a finding as the `diagnosis` of a tensor, where it knows one.",
    "",
    '`requant doctor <model>` looks at everything in one pass and prints all findings about a model. `--quick` reads no weights; `--for` names the program that is to run the model (`llama.cpp`, `vllm`, `transformers`, `exllamav2`; without it, those that its format is made for), and what that program refuses is an error ([doctor.md](doctor.md) shows it for llama.cpp); `--json` is for scripts: `{"model", "ok", "runtimes", "findings": [...], "examined": {"files", "tensors", "weights"}}`, where each finding also has its hint as `remedy` and its path as `file`. Exit status: 0 when there are notes at most, 1 for any error or warning, 4 when there is nothing to look at.',
    "",
    "A hint below is the general one: a finding that knows a better one gives that. Written by `pnpm findings-table`.",
    "",
    ...sections.flatMap(([title, kinds]) => [
      `## ${title}`,
      "",
      "| code | severity | meaning | hint |",
      "| --- | --- | --- | --- |",
      ...Object.entries(kinds).map(
        ([code, { severity, meaning, hint }]) =>
          `| \`${code}\` | ${severity} | ${meaning.replaceAll("<", "&lt;")} | ${hint} |`,
      ),
      "",
    ]),
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("../docs/findings.md", import.meta.url), findingsDocument());
