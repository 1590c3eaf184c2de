/** The manual page. Oracle: the declarations of the command line, and groff and man, where they are installed. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { buildProgram } from "../src/args.ts";
import { manPage } from "../src/man-page.ts";

const path = resolve(import.meta.dirname, "../man/requant.1");
const silent = { write: () => {} };
const program = buildProgram({ out: silent, err: silent }, new AbortController().signal, () => {});
const page = readFileSync(path, "utf8");
const has = (name: string): boolean => spawnSync(name, ["--version"]).status === 0;

describe("the manual page", () => {
  it("is what pnpm run man-page writes now", async () => {
    expect(page).toBe(await manPage(program));
  });

  it("has every command and every option", () => {
    const plain = page.replaceAll("\\-", "-");
    for (const command of program.commands) {
      expect(plain).toContain(`.SS requant ${command.name()}\n`);
      for (const { flags } of command.options) expect(plain).toContain(`.B ${flags}\n`);
    }
  });

  it("is in the package, where npm looks for it", () => {
    const manifest = z
      .object({ man: z.string(), files: z.array(z.string()) })
      .parse(JSON.parse(readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8")));
    expect(manifest.man).toBe("./man/requant.1");
    expect(manifest.files).toContain("man");
  });

  it.skipIf(!has("groff"))("is correct for groff (skipped where it is not installed)", () => {
    const { status, stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-P-cbou", path], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/NAME\n +requant - inspect, convert and verify/);
    expect(stdout).toContain("requant convert ./model model.gguf --to q8_0");
  });

  it.skipIf(!has("man"))("is shown by man (skipped where it is not installed)", () => {
    const env = { ...process.env, MANPAGER: "cat", MANWIDTH: "100", LC_ALL: "C.UTF-8" };
    const { status, stdout } = spawnSync("man", ["-l", path], { encoding: "utf8", env });
    expect(status).toBe(0);
    expect(stdout).toMatch(/EXIT STATUS/);
  });
});
