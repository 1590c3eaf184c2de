/** The site of this folder: `pnpm run docs` builds it into `.vitepress/dist`. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig } from "vitepress";
import { repositoryLinks } from "./repository-links.ts";
import { sidebar } from "./sidebar.ts";
import { bothThemes } from "./themed-pictures.ts";

const docs = resolve(import.meta.dirname, "..");
const { version } = JSON.parse(readFileSync(join(docs, "../packages/cli/package.json"), "utf8")) as {
  version: string;
};

// several versions of the site can be side by side on one host: /latest/, /v1.2.3/
const base = process.env["REQUANT_DOCS_BASE"] ?? "/";

export default defineConfig({
  title: "Requant",
  description: "Inspect, convert and verify quantized model files, in Node and in the browser.",
  lang: "en",
  base,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${base}icon.svg` }]],
  cleanUrls: false,
  lastUpdated: false,
  metaChunk: true,
  ignoreDeadLinks: [/^\/api\//],
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config: (markdown) => {
      markdown.use(repositoryLinks, docs);
      markdown.use(bothThemes);
    },
  },
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  themeConfig: {
    nav: [
      { text: "Start", link: "/getting-started" },
      { text: "Recipes", link: "/recipes/" },
      { text: "Concepts", link: "/concepts/" },
      { text: "Commands", link: "/reference/cli" },
      // made by `pnpm run api-reference`, after this site
      { text: "API", link: "/api/index.html", target: "_self" },
      { text: `v${version}`, link: "https://github.com/requant/requant/releases" },
    ],
    sidebar: sidebar(docs),
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        // the texts of pages whose rows are made by a program would hide all others
        miniSearch: { searchOptions: { boost: { title: 8, titles: 4, text: 1 }, fuzzy: 0.1 } },
      },
    },
    socialLinks: [{ icon: "github", link: "https://github.com/requant/requant" }],
    footer: { message: "MIT licence" },
  },
});
