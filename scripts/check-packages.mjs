// What a user would install: each package packed, then looked at by publint and are-the-types-wrong.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = resolve(import.meta.dirname, "..");
const out = mkdtempSync(join(tmpdir(), "requant-pack-"));
let problems = 0;
try {
  for (const name of readdirSync(join(root, "packages")).sort()) {
    const folder = join(root, "packages", name);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const before = new Set(readdirSync(out));
    execFileSync("pnpm", ["pack", "--pack-destination", out], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const tarball = join(
      out,
      readdirSync(out).find((file) => !before.has(file)),
    );
    const bytes = readFileSync(tarball);

    const { messages, pkg } = await publint({
      pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
      strict: true,
    });
    for (const message of messages) {
      problems += 1;
      console.error(`${manifest.name}: publint: ${formatMessage(message, pkg)}`);
    }
    try {
      execFileSync(
        "pnpm",
        ["exec", "attw", tarball, "--profile", "node16", "--format", "ascii", "--no-emoji"],
        {
          cwd: root,
          stdio: "pipe",
        },
      );
    } catch (error) {
      problems += 1;
      console.error(`${manifest.name}: attw:\n${error.stdout}`);
    }
    console.log(`${manifest.name}: ${(statSync(tarball).size / 1024).toFixed(1)} kB packed`);
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
if (problems > 0) {
  console.error(`${problems} problem(s)`);
  process.exit(1);
}
