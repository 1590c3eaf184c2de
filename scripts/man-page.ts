/** `pnpm run man-page`: writes the manual page of the command from its declarations. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildProgram } from "../packages/cli/src/args.ts";
import { manPage } from "../packages/cli/src/man-page.ts";

const path = join(resolve(import.meta.dirname, ".."), "packages/cli/man/requant.1");
const silent = { write: () => {} };
const program = buildProgram({ out: silent, err: silent }, new AbortController().signal, () => {});
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, await manPage(program));
