// Type errors in the files that are named, and not in those that import them: quick enough for each commit.
// pnpm typecheck checks everything.
import { resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "..");
const { config } = ts.readConfigFile(resolve(root, "tsconfig.json"), ts.sys.readFile);
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
const known = new Set(fileNames.map((name) => resolve(name)));
const files = process.argv.slice(2).map((name) => resolve(root, name));
const checked = files.filter((file) => known.has(file));
const program = ts.createProgram(checked, options);
const faults = checked.flatMap((file) => {
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
});
if (faults.length > 0) {
  const host: ts.FormatDiagnosticsHost = {
    getCurrentDirectory: () => root,
    getCanonicalFileName: (name) => name,
    getNewLine: () => "\n",
  };
  console.error(ts.formatDiagnosticsWithColorAndContext(faults, host));
  process.exitCode = 1;
}
