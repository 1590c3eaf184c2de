/** The pages in the order in which they are listed beside the text. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefaultTheme } from "vitepress";

type Item = DefaultTheme.SidebarItem;

/** The first heading of a page. */
function titleOf(docs: string, page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(join(docs, `${page}.md`), "utf8")) ?? [];
  return title.replaceAll("`", "");
}

export function sidebar(docs: string): Item[] {
  const item = (page: string): Item => ({ text: titleOf(docs, page), link: `/${page}` });
  const group = (text: string, pages: readonly string[]): Item => ({ text, items: pages.map(item) });
  /** With a link, because a title that only opens and closes would be a button around a button. */
  const closedGroup = (text: string, pages: readonly string[]): Item => ({
    ...group(text, pages),
    link: `/${pages[0]}`,
    collapsed: true,
  });
  const folder = (name: string): string[] =>
    readdirSync(join(docs, name))
      .filter((file) => file.endsWith(".md") && file !== "index.md")
      .sort()
      .map((file) => `${name}/${file.slice(0, -".md".length)}`);
  const groups: Item[] = [
    group("Start", ["getting-started"]),
    group("Recipes", [
      "recipes/hf-to-gguf",
      "recipes/awq-to-gguf",
      "recipes/compare-quantizations",
      "recipes/inspect-remote",
      "recipes/mlx",
      "recipes/codec-in-browser",
      "recipes/many-machines",
    ]),
    group("Concepts", ["concepts/bits", "concepts/groups", "concepts/fidelity", "concepts/calibration"]),
    group("Reference", ["reference/cli", "conversions", "types", "models", "findings"]),
    closedGroup("In depth", [
      "calibration",
      "grids",
      "several-targets",
      "remote",
      "fleet",
      "web",
      "memory",
      "doctor",
    ]),
    closedGroup("Measured", ["benchmarks", "security", "fuzzing"]),
    closedGroup("Formats, byte by byte", folder("formats")),
    closedGroup("Decisions", folder("adr")),
  ];
  const listed = new Set(groups.flatMap(({ items = [] }) => items.map(({ link }) => link)));
  const others = ["", "recipes", "concepts", "reference"]
    .flatMap(folder)
    .map((page) => page.replace(/^\//, ""))
    .filter((page) => !listed.has(`/${page}`));
  return others.length === 0 ? groups : [...groups, closedGroup("More", others)];
}
