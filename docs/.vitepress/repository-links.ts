/** Links of pages to files of the repository that are no pages become links to the repository's host. */
import { existsSync, statSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import type { MarkdownRenderer } from "vitepress";

export const REPOSITORY = "https://github.com/requant/requant";

/** @throws Error for a link to a file that the repository does not have */
export function addressOf(href: string, page: string, docs: string): string {
  const isElsewhere = /^(?:[a-z][a-z\d+.-]*:|\/|#|\/\/)/i.test(href);
  if (isElsewhere) return href;
  const [path = "", anchor] = href.split("#");
  const file = resolve(dirname(page), decodeURIComponent(path));
  const isPage = file.startsWith(docs + sep) && /\.(?:md|html)$|^[^.]*$/.test(file.slice(docs.length));
  if (isPage) return href;
  if (!existsSync(file)) throw new Error(`${page} links to ${href}, and there is no such file.`);
  const kind = statSync(file).isDirectory() ? "tree" : "blob";
  const inside = relative(resolve(docs, ".."), file).replaceAll(sep, "/");
  return `${REPOSITORY}/${kind}/main/${inside}${anchor === undefined ? "" : `#${anchor}`}`;
}

export function repositoryLinks(markdown: MarkdownRenderer, docs: string): void {
  markdown.core.ruler.push("repository-links", ({ tokens, env }) => {
    for (const { children } of tokens)
      for (const token of children ?? []) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        if (href !== null) token.attrSet("href", addressOf(href, (env as { path: string }).path, docs));
      }
  });
}
