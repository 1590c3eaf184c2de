/** `pnpm run docs`: builds the site of `docs/` into `docs/.vitepress/dist`. A warning or a broken link is a failure. */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { brokenLinksOfRepository, brokenLinksOfSite } from "./docs-links.ts";

const root = resolve(import.meta.dirname, "..");
const docs = join(root, "docs");
const base = process.env["REQUANT_DOCS_BASE"] ?? "/";

const vitepress = join(root, "node_modules/vitepress/bin/vitepress.js");
const { status, stdout, stderr } = spawnSync(process.execPath, [vitepress, "build", docs], {
  cwd: root,
  encoding: "utf8",
  // a bar that moves is noise in a log
  env: { ...process.env, CI: "true", NO_COLOR: "1" },
});
const printed = `${stdout}${stderr}`;
console.log(printed.trim());
const warnings = printed.split("\n").filter((line) => /\bwarn|\(!\)|deprecat/i.test(line));
const broken =
  status === 0
    ? [...brokenLinksOfSite(join(docs, ".vitepress/dist"), base), ...brokenLinksOfRepository(root)]
    : [];
for (const line of broken) console.error(line);
if (status === 0) console.log(`${warnings.length} warnings, ${broken.length} broken links`);
process.exitCode = status !== 0 || warnings.length > 0 || broken.length > 0 ? 1 : 0;
