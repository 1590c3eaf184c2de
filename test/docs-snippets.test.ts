/** Code in the pages for newcomers compiles, runs, and does what the page says. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launchChromium, needsChromium } from "../fixtures/chromium.ts";
import { type Fence, fencesOf, filesOf } from "../fixtures/page-fences.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../packages/convert/src/index.ts";
import { directoryStore } from "../packages/core/src/io/node/index.ts";
import { serveFolder } from "../packages/web/test/static-server.ts";
import { pages as executed } from "../scripts/transcripts.ts";

const root = resolve(import.meta.dirname, "..");
const docs = join(root, "docs");
const pages = ["index.md", "getting-started.md", ...["recipes", "concepts"].flatMap(pagesOf)];

function pagesOf(folder: string): string[] {
  return readdirSync(join(docs, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

const read = (page: string): string => readFileSync(join(docs, page), "utf8");

/** Fences that no test runs, and why. */
const notRun: Readonly<Record<string, string>> = {
  "npm install @requant/core @requant/gguf\n": "it needs the network",
};

describe("code in the pages for newcomers", () => {
  it("is run or compiled, or has a reason", () => {
    const isRun = ({ language, code, comment }: Fence, page: string): boolean =>
      (language === "console" && executed.includes(join(docs, page))) ||
      language === "ts" ||
      /^(?:file|output of)\b/.test(comment ?? "") ||
      code in notRun;
    const others = pages.flatMap((page) => fencesOf(read(page)).filter((fence) => !isRun(fence, page)));
    expect(others).toEqual([]);
  });

  it("compiles as strictly as the sources, and wrong code does not", () => {
    const files = new Map(
      pages.flatMap((page) => {
        // the packages that a page may import are found from here
        const folder = join(root, "packages/convert", page.replace(/\W/g, "-"));
        return fencesOf(read(page))
          .filter(({ language }) => language === "ts")
          .map(({ code, comment }, index): [string, string] => [
            join(folder, comment?.replace("file: ", "") ?? `snippet-${index}.ts`),
            `${code}export {};\n`,
          ]);
      }),
    );
    expect(files.size).toBeGreaterThan(2);
    files.set(join(root, "packages/convert/wrong.ts"), "readGuff();\nexport {};\n");
    expect(compilerMessages(files)).toEqual(["Cannot find name 'readGuff'."]);
  });
});

/** What the compiler says about files that are in memory only. */
function compilerMessages(files: ReadonlyMap<string, string>): string[] {
  const config = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config.config, include: [], files: [] },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  const folders = new Set([...files.keys()].map((name) => resolve(name, "..")));
  host.directoryExists = (name) => folders.has(resolve(name)) || (directoryExists?.(name) ?? true);
  host.fileExists = (name) => files.has(resolve(name)) || fileExists(name);
  host.readFile = (name) => files.get(resolve(name)) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const code = files.get(resolve(name));
    return code === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, code, version, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((name) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "),
    );
  });
}

describe("Use one codec in a browser", () => {
  const page = read("recipes/codec-in-browser.md");
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "requant-snippets-"));
    for (const [name, code] of filesOf(page)) await writeFile(join(folder, name), code);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function bundled(name: string): Promise<string> {
    const { outputFiles } = await build({
      entryPoints: [join(folder, name)],
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      conditions: ["@requant/source"],
      nodePaths: [join(root, "packages/convert/node_modules")],
    });
    return outputFiles[0]?.text ?? "";
  }

  it("the encoder prints what the page says", async () => {
    const printed: string[] = [];
    const module = new Function("console", await bundled("encode.ts"));
    module({ log: (line: string) => printed.push(line) });
    const [shown] = fencesOf(page).filter(({ comment }) => comment === "output of encode.ts");
    expect(`${printed.join("\n")}\n`).toBe(shown?.code);
  });

  it.skipIf(!hasChromium)(
    `the page shows the first weights of a chosen file and of an address (${needsChromium})`,
    async () => {
      const model = await openModel({ store: directoryStore(join(root, "fixtures/kjv/hf")) });
      const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "model" });
      await runPlan(plan, model, directoryStore(folder));
      // the oracle: the floats of the source, which F32 holds as they are
      const row = new Float32Array(256);
      await model.weight("lm_head.weight").readRows(0, 1, row);
      await model.close();
      await writeFile(join(folder, "page.js"), await bundled("page.ts"));

      const server = await serveFolder(folder);
      const browser = await launchChromium();
      try {
        const tab = await browser.newPage();
        const expected = `256 weights: ${row.slice(0, 3).join(", ")} …`;
        await tab.goto(server.url);
        await tab.getByLabel("A GGUF file").setInputFiles(join(folder, "model.gguf"));
        await tab.getByText("256 weights").waitFor();
        expect(await tab.locator("output").textContent()).toBe(expected);
        await tab.goto(`${server.url}?model=${server.url}model.gguf`);
        await tab.getByText("256 weights").waitFor();
        expect(await tab.locator("output").textContent()).toBe(expected);
        const { size } = await stat(join(folder, "model.gguf"));
        expect(server.sent.get("/model.gguf")).toBeLessThan(size / 4);
      } finally {
        await browser.close();
        await server.close();
      }
    },
  );
});
