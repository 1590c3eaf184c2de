/** docs/doctor.md: the codes of `requant doctor`, from the table that it works with. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findingKinds, type Severity } from "../packages/convert/src/index.ts";

const meanings: readonly (readonly [severity: Severity, title: string, meaning: string])[] = [
  ["error", "Errors", "The model cannot be read, or does not compute what it should."],
  ["warning", "Warnings", "The model can be read; it, or other programs with it, may not do what it should."],
  ["note", "Notes", "Worth knowing, and nothing that is wrong."],
];

export function doctorDocument(): string {
  return [
    "# What the doctor says",
    "",
    '`requant doctor <model>` looks at everything in one pass and names what is wrong, each finding with a code, a place and a remedy. `--quick` reads no weights; `--json` is for scripts: `{"model", "ok", "findings": [{"code", "severity", "message", "remedy", "file"?, "tensor"?, "key"?, "offset"?}], "examined": {"files", "tensors", "weights"}}`. Exit status: 0 when there are notes at most, 1 for any error or warning, 4 when there is nothing to look at. Codes are added, never changed. A remedy below is the general one: a finding that knows a better one gives that.',
    "",
    "Written by `pnpm doctor-table`.",
    "",
    ...meanings.flatMap(([severity, title, meaning]) => [
      `## ${title}`,
      "",
      meaning,
      "",
      "| code | remedy |",
      "| --- | --- |",
      ...Object.entries(findingKinds)
        .filter(([, kind]) => kind.severity === severity)
        .map(([code, { remedy }]) => `| \`${code}\` | ${remedy} |`),
      "",
    ]),
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("../docs/doctor.md", import.meta.url), doctorDocument());
