/** Links that lead nowhere: in the built site, with anchors, and in the texts of the repository. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** Addresses of files of this repository on its host. */
const OURS = /^https:\/\/github\.com\/requant\/requant\/(?:blob|tree)\/main\/([^#?]*)/;

/** Another program makes this part after the site. */
const MADE_LATER = "api/";

function filesOf(folder: string, end: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(end) && !name.startsWith(MADE_LATER));
}

const unescaped = (text: string): string =>
  text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'");

const matches = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, found = ""]) => unescaped(found));

/**
 * Checks every `href` and `src` of every page against files and `id`s of the site.
 * @param base the path below which the site is served, with slashes at both ends
 */
export function brokenLinksOfSite(dist: string, base: string): string[] {
  const pages = filesOf(dist, ".html");
  const anchors = new Map(
    pages.map((page) => [page, new Set(matches(readFileSync(join(dist, page), "utf8"), /\sid="([^"]*)"/g))]),
  );
  const broken: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(dist, page), "utf8");
    for (const link of new Set(matches(text, /\s(?:href|src)="([^"]*)"/g))) {
      if (/^(?:https?|mailto|data):/.test(link)) continue;
      const { pathname, hash } = new URL(link, `http://site${base}${page}`);
      const path = decodeURIComponent(pathname);
      if (!path.startsWith(base)) broken.push(`${page}: ${link} is outside of ${base}`);
      else {
        const inside = path.slice(base.length);
        const target = inside === "" || inside.endsWith("/") ? `${inside}index.html` : inside;
        if (target.startsWith(MADE_LATER)) continue;
        if (!existsSync(join(dist, target))) broken.push(`${page}: there is no ${link}`);
        else if (hash !== "" && !(anchors.get(target)?.has(decodeURIComponent(hash.slice(1))) ?? true))
          broken.push(`${page}: ${link} has no such heading`);
      }
    }
  }
  return broken;
}

/** Texts of the repository whose links are checked; its host shows them as they are. */
function textsOf(root: string): string[] {
  const packages = readdirSync(join(root, "packages")).map((name) => `packages/${name}/README.md`);
  const ofRoot = readdirSync(root).filter((name) => name.endsWith(".md"));
  const ofDocs = filesOf(join(root, "docs"), ".md")
    .filter((name) => !name.startsWith(".vitepress/"))
    .map((name) => `docs/${name}`);
  return [...ofRoot, ...packages, ...ofDocs].filter((name) => existsSync(join(root, name)));
}

/** Text without code, in which brackets are no links. */
const withoutCode = (text: string): string =>
  text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** The anchors that GitHub gives to the headings of a text. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```[\s\S]*?^```/gm, "").match(/^#{1,6} .+$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Checks the relative links of the repository's texts, and the addresses that are its own on its host. */
export function brokenLinksOfRepository(root: string): string[] {
  const broken: string[] = [];
  for (const name of textsOf(root)) {
    const text = withoutCode(readFileSync(join(root, name), "utf8"));
    const links = [
      ...matches(text, /\]\(([^)\s]+)\)/g),
      ...matches(text, /\s(?:src|srcset|href)="([^"]*)"/g),
    ];
    for (const link of new Set(links)) {
      const [, ours] = OURS.exec(link) ?? [];
      if (ours === undefined && /^[a-z]+:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      // from the root of the site
      const from = path.startsWith("/") ? join(root, "docs", path) : resolve(root, dirname(name), path);
      const file = ours === undefined ? (path === "" ? join(root, name) : from) : join(root, ours);
      if (path === "/api/index.html") continue;
      if (!existsSync(file) && !existsSync(`${file}.md`)) broken.push(`${name}: there is no ${link}`);
      else if (anchor !== undefined && file.endsWith(".md") && statSync(file).isFile()) {
        if (!anchorsOf(readFileSync(file, "utf8")).has(decodeURIComponent(anchor)))
          broken.push(`${name}: ${link} has no such heading`);
      }
    }
  }
  return broken;
}
