/**
 * `<picture>` with a source for dark systems: GitHub shows it as it is. The site has a switch of its own for light and
 * dark, which such a source does not follow, so that here both pictures are images, of which style sheets show one.
 */
import type { MarkdownRenderer } from "vitepress";

const PICTURE =
  /<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\s*<img alt="([^"]*)" src="([^"]+)">\s*<\/picture>/g;

/** With a dot before it, a path is one of a file, which the build copies. */
const ofFile = (path: string): string => (/^[./]/.test(path) ? path : `./${path}`);

export function withBothImages(html: string): string {
  return html.replace(
    PICTURE,
    (_, dark: string, alt: string, light: string) =>
      `<p><img class="light-only" alt="${alt}" src="${ofFile(light)}"><img class="dark-only" alt="${alt}" src="${ofFile(dark)}"></p>`,
  );
}

export function bothThemes(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push("both-themes", ({ tokens }) => {
    for (const token of tokens)
      if (token.type === "html_block") token.content = withBothImages(token.content);
  });
}
