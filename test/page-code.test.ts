/** Code in READMEs and pages: TypeScript compiles as strictly as the sources, and commands are run or have a reason not to be. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fence, fencesOf } from "../fixtures/page-fences.ts";
import { requant } from "../packages/cli/test/run.ts";
import { parseTargets } from "../packages/convert/src/index.ts";
import { openWorkshop } from "../scripts/docs-workshop.ts";
import { pageWithOutputs, piecesOf } from "../scripts/transcripts.ts";

const root = resolve(import.meta.dirname, "..");
const named = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
const packages = readdirSync(join(root, "packages"));
const read = (page: string): string => readFileSync(join(root, page), "utf8");

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...packages.map((name) => `packages/${name}/README.md`),
  // the pages for newcomers are in docs-snippets.test.ts
  ...named("docs").filter((page) => !/\/(?:index|getting-started)\.md$/.test(page)),
];
const fences = pages.flatMap((page) => fencesOf(read(page)).map((fence) => ({ page, ...fence })));

/** Fences of commands that are run with the bundled model, by their page and first line, and their exit status. */
const executed: Readonly<Record<string, number>> = {
  // the last command finds that the models differ
  "packages/cli/README.md npx @requant/cli inspect model.gguf": 1,
  "docs/several-targets.md requant convert ./model ./out --to gguf:q4_k_m,q5_k_m,q8_0": 0,
};

/** Fences that are neither compiled nor run, by their page and first line. Commands of requant in them are checked. */
const reasons: Readonly<Record<string, string>> = {
  "packages/cli/README.md requant calibrate ./model --text corpus.txt -o stats.safetensors":
    "it is slow, and the size is that of a larger model; target-size.test.ts runs such commands",
  "packages/cli/README.md requant inspect owner/repo                    # where there is no such path here":
    "it needs several models on a hub; hub.test.ts runs such commands",
  "packages/cli/README.md requant metadata list model.gguf":
    "it needs a vocabulary with these tokens; metadata-set.test.ts runs such commands",
  "docs/calibration.md requant calibrate MODEL --text text.txt -o statistics.safetensors":
    "it is slow; kjv-calibrated.test.ts runs such commands",
  "docs/fleet.md requant convert /shared/model /shared/out/model.gguf --to q4_k_m --plan-out /shared/plan.json":
    "it needs a shared folder; parts.test.ts runs such commands",
  "docs/fleet.md requant convert s3://bucket/model s3://bucket/out/model.gguf --to q4_k_m --plan-out plan.json":
    "it needs a server; s3-parts.test.ts runs such commands",
  "docs/fleet.md requant calibrate /shared/model --text /shared/text.txt -o /shared/stats.safetensors --plan-out /shared/plan.json":
    "it needs a shared folder; statistics-parts.test.ts runs such commands",
  "docs/reporting.md requant doctor ./model --report report.json":
    "its files are examples; report.test.ts runs such commands",
  "CONTRIBUTING.md REQUANT_DOCS_BASE=/v1.2.3/ pnpm run docs   # for a release":
    "it builds the site; docs-site.test.ts looks at one",
  "docs/fleet.md export REDIS_URL=rediss://user:password@redis.example:6380":
    "it needs a server; fleet.test.ts runs such commands",
  "docs/remote.md requant convert ./Llama-3.2-1B hf:me/Llama-3.2-1B-GGUF --to gguf:q4_k_m":
    "it needs servers; hub-output.test.ts and s3-output.test.ts run such commands",
  "docs/web.md requant ui                     # prints an address of this computer; Ctrl-C ends it":
    "it ends with Ctrl-C; ui.test.ts runs it",
  "README.md npm install @requant/gguf": "it needs the network",
  "README.md npx -y pnpm@12.21.0 demo   # install, build, then inspect, convert and verify the bundled model":
    "the tests run in what it makes",
  "CONTRIBUTING.md /** block_iq4_nl: 32 weights in 18 bytes":
    "a sketch of a file of the repository, with gaps",
  "docs/fleet.md #!/bin/sh": "it needs Slurm",
  "docs/fleet.md parts=$(sbatch --parsable parts.sh)": "it needs Slurm",
  "docs/fleet.md apiVersion: batch/v1": "it needs Kubernetes",
  "docs/fleet.md parts=$(aws batch submit-job --job-name parts --job-queue cpu --job-definition requant \\":
    "it needs AWS Batch",
  "docs/fleet.md hf jobs run --flavor cpu-upgrade --secrets HF_TOKEN node:24 sh -c '":
    "it needs Jobs of the hub",
  'docs/several-targets.md { "targets": [{ "target": { "text": "gguf:q4_k_m" } }], "shared": { "bytesRead": 14960000000, "bytesReadAlone": 44880000000 }, "seconds": 61.2 }':
    "an excerpt; several.test.ts has the whole report",
};

interface PageFence extends Fence {
  readonly page: string;
}

const keyOf = ({ page, code }: PageFence): string => `${page} ${code.split("\n", 1)[0]}`;
const isText = ({ language }: Fence): boolean => language === "";
const isCommands = ({ code }: Fence): boolean => /^(?:npx @requant\/cli|requant) /m.test(code);

describe("code in READMEs and pages", () => {
  it("is compiled, run or checked, or has a reason", () => {
    const others = fences.filter(
      (fence) =>
        !/^(?:ts|console)$/.test(fence.language) &&
        !isText(fence) &&
        !(keyOf(fence) in executed || keyOf(fence) in reasons),
    );
    expect(others).toEqual([]);
    const keys = new Set(fences.map(keyOf));
    expect([...Object.keys(executed), ...Object.keys(reasons)].filter((key) => !keys.has(key))).toEqual([]);
  });

  it("compiles as strictly as the sources, and wrong code does not", () => {
    const code = fences.filter((fence) => fence.language === "ts" && !(keyOf(fence) in reasons));
    expect(code.map(({ page }) => page)).toEqual(
      expect.arrayContaining(
        packages.filter((name) => !/^(?:cli|web)$/.test(name)).map((name) => `packages/${name}/README.md`),
      ),
    );
    const wrong = { page: "packages/awq/README.md", code: 'import { awqKodec } from "@requant/awq";\n' };
    expect(compilerMessages([...code, wrong])).toEqual([
      "packages/awq/README.md: '\"@requant/awq\"' has no exported member named 'awqKodec'. Did you mean 'awqCodec'?",
    ]);
  });
});

describe("README.md", () => {
  it("has less than 120 lines", () => {
    expect(read("README.md").trimEnd().split("\n").length).toBeLessThan(120);
  });

  it("has code that prints what it says", async () => {
    const [code = ""] = fences.flatMap(({ page, language, code: text }) =>
      page === "README.md" && language === "ts" ? [text] : [],
    );
    const { outputFiles } = await build({
      stdin: { contents: code, resolveDir: join(root, "packages/convert"), loader: "ts" },
      bundle: true,
      write: false,
      format: "iife",
      platform: "browser",
      conditions: ["@requant/source"],
    });
    const printed: string[] = [];
    const run = new Function("console", outputFiles[0]?.text ?? "");
    run({ log: (...values: unknown[]) => printed.push(values.join(" ")) });
    expect(printed).toEqual([/console\.log\(.*\/\/ (.*)/.exec(code)?.[1]]);
  });
});

/** What the compiler says about code, as modules of the package in whose README it stands, or of convert. */
function compilerMessages(code: readonly { readonly page: string; readonly code: string }[]): string[] {
  const files = new Map(
    code.map((fence, index): [string, { page: string; code: string }] => {
      const folder = /^packages\/[^/]+/.exec(fence.page)?.[0] ?? "packages/convert";
      return [
        join(root, folder, `page-${index}.ts`),
        { page: fence.page, code: `${fence.code}\nexport {};\n` },
      ];
    }),
  );
  const config = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config.config, include: [], files: [] },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => files.has(resolve(name)) || fileExists(name);
  host.readFile = (name) => files.get(resolve(name))?.code ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const own = files.get(resolve(name))?.code;
    return own === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, own, version, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([name, { page }]) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => `${page}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
    );
  });
}

describe("commands in READMEs and pages", () => {
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), "requant-page-code-"));
  beforeAll(() => process.chdir(folder));
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });

  /** The words of a command line, without comments and what a pipe leads to. */
  const wordsOf = (line: string): string[] =>
    (line.replace(/\s#.*$/, "").split(" | ", 1)[0] ?? "")
      .match(/'[^']*'|\S+/g)
      ?.map((word) => word.replace(/^'|'$/g, "")) ?? [];

  const lines = fences
    .filter((fence) => fence.language === "sh" && isCommands(fence))
    .flatMap(({ page, code }) => code.split("\n").map((line): [string, string] => [page, line]))
    .filter(([, line]) => /^(?:npx @requant\/cli|requant) /.test(line));

  it("have words and options that exist", async () => {
    expect(lines.length).toBeGreaterThan(20);
    for (const [page, line] of [...lines, ["wrong", "requant inspect model.gguf --tensr"] as const]) {
      const [command = "", ...words] = wordsOf(line.replace(/^(?:npx @requant\/cli|requant) /, ""));
      const target = words[words.indexOf("--to") + 1];
      if (words.includes("--to")) expect(() => parseTargets(target ?? ""), `${page}: ${line}`).not.toThrow();
      // the last option is refused only where all others are known
      const { err } = await requant(command, ...words, "--no-such-option");
      expect(`${page}: ${line}: ${err}`).toContain(
        page === "wrong" ? "no option --tensr." : "no option --no-such-option",
      );
    }
  });

  const run = fences
    .filter((fence) => keyOf(fence) in executed)
    .map((fence): [string, PageFence] => [keyOf(fence), fence]);
  it.skipIf(!existsSync("/bin/bash")).each(run)(
    "%s …: runs with the bundled model",
    async (key, { code }) => {
      const workshop = await openWorkshop();
      try {
        const inFolder = { cwd: workshop.folder, env: workshop.environment, encoding: "utf8" } as const;
        for (const name of ["model", "Llama-3.2-1B"])
          cpSync(join(workshop.folder, "kjv"), join(workshop.folder, name), { recursive: true });
        if (code.includes(" inspect model.gguf"))
          expect(
            spawnSync("/bin/bash", ["-c", "requant convert kjv model.gguf --to q8_0 --quiet"], inFolder)
              .status,
          ).toBe(0);
        const { status, stderr } = spawnSync("/bin/bash", ["-ec", code], inFolder);
        expect({ status, stderr }).toEqual({
          status: executed[key],
          stderr: expect.not.stringContaining("requant: "),
        });
      } finally {
        workshop.close();
      }
    },
  );

  const shown = pages.filter((page) => piecesOf(read(page)).length > 1);
  it.skipIf(!existsSync("/bin/bash")).each(shown)(
    "%s shows what is printed",
    async (page) => {
      expect(await pageWithOutputs(read(page))).toBe(read(page));
    },
    300_000,
  );
});
