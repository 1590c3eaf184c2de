/** Pages show what commands print. The oracle is the command itself, run from the sources with the bundled model. */
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { describe, expect, it } from "vitest";
import { pages, pageWithOutputs, piecesOf } from "../scripts/transcripts.ts";

const canRun = existsSync("/bin/bash") && existsSync("/tmp");

describe.skipIf(!canRun)("commands in pages (skipped where there is no bash and no /tmp)", () => {
  it.each(pages.map((path): [string, string] => [relative(process.cwd(), path), path]))(
    "%s shows what is printed (pnpm run docs-transcripts writes it)",
    async (_, path) => {
      const page = readFileSync(path, "utf8");
      expect(await pageWithOutputs(page)).toBe(page);
    },
    300_000,
  );

  it("a page with another output, and one with another exit status, are found", async () => {
    const page = (status: string, output: string): string =>
      `# A page\n\n\`\`\`console${status}\n$ echo one \\\n  two; exit 3\n${output}\n\`\`\`\n`;
    expect(piecesOf(page(" status=3", "one two")).length).toBe(3);
    expect(await pageWithOutputs(page(" status=3", "one"))).toBe(page(" status=3", "one two"));
    await expect(pageWithOutputs(page("", "one two"))).rejects.toThrow("ends with status 3, not 0");
  });
});
