/** Rules of this repository that no compiler checks: which names may occur where, and how large files may be. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** Source files of a package, as paths from the root. */
function sourcesOf(folder: string): string[] {
  const names = readdirSync(join(root, "packages", folder, "src"), { recursive: true, encoding: "utf8" });
  return names
    .map((name) => `packages/${folder}/src/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts") && !path.includes("/generated/"));
}

const folders = readdirSync(join(root, "packages"));
const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

/** Every string in a file, the fixed parts of templates among them. */
function stringsIn(path: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isStringLiteral(node) ||
      ts.isNoSubstitutionTemplateLiteral(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) ||
      ts.isTemplateTail(node)
    )
      found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, textOf(path), ts.ScriptTarget.Latest));
  return found;
}

describe("formats", () => {
  /** Names of weight formats, as words of any case; "gptqFormat" and "AWQ" count. */
  const NAMES =
    /gptq|awq|exl2|compressed.?tensors|sparseml|auto.?round|float8Format|\bmlx|bits.?and.?bytes|bitnet|eetq|hqq|quanto|torchao/i;
  /** Explains model names and quotes published figures, which are full of format names. */
  const explains = /(cli\/src\/(model-name|name-rules)|convert\/src\/examine\/choose\/figures)\.ts$/;

  it("are named in convert only in the list of formats", () => {
    const naming = sourcesOf("convert").filter((path) => NAMES.test(textOf(path)) && !explains.test(path));
    expect(naming).toEqual(["packages/convert/src/formats.ts"]);
  });

  it("are named in cli only where model names are explained", () => {
    const naming = sourcesOf("cli").filter((path) => NAMES.test(textOf(path)) && !explains.test(path));
    expect(naming).toEqual([]);
  });
});

describe("packages", () => {
  /** Packages with other dependencies, none, or more entries, which have tests of their own. */
  const others = ["calibrate", "calibration-text", "cli", "convert", "core", "fleet", "gguf", "web"];

  it.each(folders.filter((folder) => !others.includes(folder)))(
    "%s depends on core and zod only, and ships one entry",
    (folder) => {
      const manifest: unknown = JSON.parse(textOf(`packages/${folder}/package.json`));
      expect(manifest).toMatchObject({
        name: `@requant/${folder}`,
        sideEffects: false,
        files: ["dist", "README.md", "CHANGELOG.md", "LICENSE"],
      });
      const { dependencies, exports } = manifest as { dependencies: object; exports: object };
      expect(Object.keys(dependencies)).toEqual(["@requant/core", "zod"]);
      expect(Object.keys(exports)).toEqual([".", "./package.json"]);
    },
  );
});

describe("roles of tensors", () => {
  /** Words of names that say what a tensor is, as alternatives of a regular expression. */
  const DECIDES = /\/[^/\n]*(?:norm|gate_inp|embed_tokens|lm_head|rotary)[^/\n]*\|[^/\n]*\//;
  const place = "packages/models/src/roles/tensor-role.ts";

  it("are decided in one place", () => {
    const deciding = ["convert", "cli", "calibrate"].flatMap(sourcesOf).filter((path) =>
      textOf(path)
        .split("\n")
        .some((line) => !/^\s*(?:\*|\/\/|import|export)/.test(line) && DECIDES.test(line)),
    );
    expect({ deciding, isThere: sourcesOf("models").includes(place) }).toEqual({
      deciding: [],
      isThere: true,
    });
  });
});

describe("libraries", () => {
  it("name options, never flags of the command line", () => {
    const flags = folders
      .filter((folder) => folder !== "cli")
      .flatMap(sourcesOf)
      .flatMap((path) =>
        stringsIn(path)
          // arguments of Node itself
          .filter((text) => /(?:^|[^-\w])--[a-z]/.test(text) && !/^--(conditions|no-warnings)/.test(text))
          .map((text) => `${path}: ${text}`),
      );
    expect(flags).toEqual([]);
  });
});

/** The comment that a file begins with. */
function firstCommentOf(text: string): string {
  return text.startsWith("/**") ? text.slice(0, text.indexOf("*/")) : "";
}

describe("sizes", () => {
  it("keep at most eight files in the root of convert's sources", () => {
    const files = readdirSync(join(root, "packages/convert/src")).filter((name) => name.endsWith(".ts"));
    expect(files.length).toBeLessThanOrEqual(8);
  });

  it("keep files at 400 lines, unless the first comment says why there are more", () => {
    const long = folders.flatMap(sourcesOf).filter((path) => {
      const text = textOf(path);
      return text.split("\n").length > 400 && !firstCommentOf(text).includes("Long because");
    });
    expect(long).toEqual([]);
  });
});
