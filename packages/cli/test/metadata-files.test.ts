/** The file that `metadata set` replaces: links, other names, permissions. */
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tinyGguf } from "../../../fixtures/tiny-gguf.ts";
import { requant } from "./run.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "requant-files-"));
  file = join(folder, "m.gguf");
  writeFileSync(file, tinyGguf());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rename = (path: string, ...options: string[]): ReturnType<typeof requant> =>
  requant("metadata", "set", path, "general.name=New", ...options);
const nameOf = async (path: string): Promise<string> =>
  (await requant("metadata", "get", path, "general.name")).out;
const isRoot = process.getuid?.() === 0;

describe.skipIf(process.platform === "win32")("metadata set", () => {
  it("follows symbolic links: the target is replaced, the links stay", async () => {
    mkdirSync(join(folder, "links"));
    const first = join(folder, "links", "first.gguf");
    const second = join(folder, "links", "second.gguf");
    symlinkSync("../m.gguf", first);
    symlinkSync("first.gguf", second);
    expect(await rename(second)).toMatchObject({ status: 0 });
    expect([readlinkSync(first), readlinkSync(second)]).toEqual(["../m.gguf", "first.gguf"]);
    expect(lstatSync(file).isFile()).toBe(true);
    expect(await nameOf(file)).toBe("New\n");
    expect(readdirSync(join(folder, "links")).sort()).toEqual(["first.gguf", "second.gguf"]);
    expect(readdirSync(folder).sort()).toEqual(["links", "m.gguf"]);
  });

  it("refuses a link that leads nowhere", async () => {
    const link = join(folder, "link.gguf");
    symlinkSync("none.gguf", link);
    expect(await rename(link)).toMatchObject({ status: 4, err: expect.stringMatching(/no such file/) });
    expect(readlinkSync(link)).toBe("none.gguf");
  });

  it("refuses a file with other names, which would keep the old contents", async () => {
    const other = join(folder, "other.gguf");
    linkSync(file, other);
    const before = readFileSync(file);
    const refused = await rename(file);
    expect(refused).toMatchObject({
      status: 4,
      err: `requant: The file has 2 names (hard links); the other one would keep the old contents. (${file})\n  Change a copy, or give --force to replace the file under this name only.\n`,
    });
    expect(readFileSync(other).equals(before)).toBe(true);
    expect(statSync(file).nlink).toBe(2);
    expect(await rename(file, "--force")).toMatchObject({ status: 0 });
    expect([await nameOf(file), await nameOf(other)]).toEqual(["New\n", "Tiny\n"]);
  });

  it("refuses a read-only file, also with --force and in a dry run", async () => {
    chmodSync(file, 0o444);
    for (const options of [[], ["--force"], ["--dry-run"]]) {
      expect(await rename(file, ...options)).toMatchObject({
        status: 4,
        err: `requant: The file is read-only (mode 444). (${file})\n  Make it writable first (chmod u+w), or change a copy.\n`,
      });
    }
    expect(await nameOf(file)).toBe("Tiny\n");
    expect(readdirSync(folder)).toEqual(["m.gguf"]);
  });

  it.each([0o600, 0o640, 0o664, 0o755])("keeps the permissions %o", async (mode) => {
    chmodSync(file, mode);
    expect(await rename(file)).toMatchObject({ status: 0 });
    expect(statSync(file).mode & 0o777).toBe(mode);
  });

  it.skipIf(!isRoot)("keeps the owner, where the user may give files away", async () => {
    chownSync(file, 12345, 23456);
    expect(await rename(file)).toMatchObject({ status: 0 });
    expect([statSync(file).uid, statSync(file).gid]).toEqual([12345, 23456]);
  });

  it("refuses a folder", async () => {
    expect(await rename(folder)).toMatchObject({
      status: 4,
      err: expect.stringMatching(/not a regular file/),
    });
  });

  it("leaves the file alone where nothing changes", async () => {
    const { ino, mtimeNs } = statSync(file, { bigint: true });
    expect(await requant("metadata", "set", file, "general.name=Tiny")).toMatchObject({
      status: 0,
      out: '= general.name: string "Tiny" (unchanged)\n',
    });
    expect(statSync(file, { bigint: true })).toMatchObject({ ino, mtimeNs });
  });
});
