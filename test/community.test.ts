/** The forms for issues, as GitHub describes their syntax, and the files that name other files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const root = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const folder = ".github/ISSUE_TEMPLATE";
const forms = readdirSync(join(root, folder)).filter((name) => name !== "config.yml");

/** docs.github.com: "Syntax for GitHub's form schema". */
const text = z.string().min(1);
const validations = z.strictObject({ required: z.boolean() }).optional();
const asked = { id: z.string().regex(/^[a-z-]+$/), validations };
const label = { label: text, description: text.optional() };
const element = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("markdown"), attributes: z.strictObject({ value: text }) }),
  z.strictObject({ type: z.literal("input"), ...asked, attributes: z.strictObject(label) }),
  z.strictObject({
    type: z.literal("textarea"),
    ...asked,
    attributes: z.strictObject({ ...label, render: text.optional() }),
  }),
  z.strictObject({
    type: z.literal("dropdown"),
    ...asked,
    attributes: z.strictObject({ ...label, options: z.array(text).min(2) }),
  }),
  z.strictObject({
    type: z.literal("checkboxes"),
    ...asked,
    attributes: z.strictObject({ ...label, options: z.array(z.strictObject({ label: text })).min(1) }),
  }),
]);
const form = z.strictObject({
  name: text,
  description: text,
  labels: z.array(text),
  body: z.array(element).min(1),
});

describe("issue forms", () => {
  it("ask for wrong results, crashes, and formats or families", () =>
    expect(forms).toEqual(["1-wrong-result.yml", "2-crash.yml", "3-format-or-family.yml"]));

  it.each(forms)(
    "%s is a form that GitHub shows, and each of its questions has a name of its own",
    (name) => {
      const { body } = form.parse(parse(read(`${folder}/${name}`)));
      const ids = body.flatMap((part) => ("id" in part ? [part.id] : []));
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.length).toBeGreaterThan(2);
    },
  );

  it.each(["1-wrong-result.yml", "2-crash.yml"])("%s asks for the report of doctor", (name) =>
    expect(read(`${folder}/${name}`)).toContain("requant doctor MODEL --report"),
  );
});

describe("files for contributors", () => {
  it.each(["CONTRIBUTING.md", "RELEASE.md", "CODE_OF_CONDUCT.md", "SECURITY.md"])(
    "%s links only to files that exist",
    (name) => {
      const targets = [...read(name).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
        ([, target = ""]) => target,
      );
      expect(targets.filter((target) => !existsSync(join(root, target)))).toEqual([]);
    },
  );

  it("name only commands that exist", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [
      "CONTRIBUTING.md",
      "RELEASE.md",
      ".github/PULL_REQUEST_TEMPLATE.md",
      "lefthook.yml",
    ].flatMap((file) =>
      [...read(file).matchAll(/pnpm (?:run )?([a-z-]+)/g)].map(([, command = ""]) => command),
    );
    expect(named.length).toBeGreaterThan(20);
    const own = ["exec"];
    expect(named.filter((command) => !own.includes(command) && scripts[command] === undefined)).toEqual([]);
  });

  it("dependabot reads npm and the actions", () => {
    const { updates } = parse(read(".github/dependabot.yml"));
    expect(updates.map((update: Record<string, unknown>) => update["package-ecosystem"])).toEqual([
      "npm",
      "github-actions",
    ]);
  });
});
