/** The kernel suites in the oldest supported Node, which is too old for vitest itself. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "requant-oldest-node-"));
const oldestNode = resolve(import.meta.dirname, "oldest-node/node_modules/node/bin/node");
const wanted: string = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node;
const suites = readdirSync(join(root, "packages"))
  .flatMap((name) =>
    ["kernels", "grid-kernels", "nibble-kernels", "solve-kernels"].map(
      (suite) => `${name}/test/${suite}.test.ts`,
    ),
  )
  .filter((path) => existsSync(join(root, "packages", path)))
  .sort();

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(file: string): { status: number | null; output: string; passed: number; failed: number } {
  const { status, stdout, stderr } = spawnSync(oldestNode, ["--test-reporter=tap", file], {
    encoding: "utf8",
    // an outer test runner would make this process use the runner's own output format
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined },
  });
  const count = (what: string): number =>
    Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(stdout)?.[1] ?? 0);
  return { status, output: `${stdout}${stderr}`, passed: count("pass"), failed: count("fail") };
}

describe.skipIf(!existsSync(oldestNode))("kernels in the oldest Node (skipped: it was not installed)", () => {
  it("is the oldest that package.json allows", () => {
    const { stdout } = spawnSync(oldestNode, ["--version"], { encoding: "utf8" });
    expect(`>=${stdout.trim().slice(1)}`).toMatch(new RegExp(`^${wanted.replace(".", "\\.")}\\.`));
  });

  it("finds the suites of several packages", () =>
    expect(suites).toEqual(
      expect.arrayContaining([
        "calibrate/test/kernels.test.ts",
        "convert/test/kernels.test.ts",
        "core/test/kernels.test.ts",
        "gguf/test/grid-kernels.test.ts",
        "gguf/test/kernels.test.ts",
        "gguf/test/nibble-kernels.test.ts",
      ]),
    ));

  it.each(suites)("@requant/%s passes", async (path) => {
    const file = join(folder, `${path.replaceAll("/", "-")}.mjs`);
    await build({
      entryPoints: [join(root, "packages", path)],
      outfile: file,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      conditions: ["@requant/source"],
      alias: { vitest: join(import.meta.dirname, "oldest-node/suite.ts") },
    });
    const { status, output, passed, failed } = run(file);
    const complaints = output.split("\n").filter((line) => /^\s*(not ok|error:)/.test(line));
    expect({ status, failed, complaints }).toEqual({ status: 0, failed: 0, complaints: [] });
    expect(passed).toBeGreaterThan(0);
  });
});
