/** Paths as Windows and macOS have them. Oracle: that each is taken for a path, and which files are refused as outputs. */
import { copyFileSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openModel, refuseOverlap } from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it, vi } from "vitest";
import { remotePlace } from "../src/remote-place.ts";
import { colorsFor } from "../src/streams.ts";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-paths-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WINDOWS_PATHS = [
  "C:\\models\\model.gguf",
  "C:/models/model.gguf",
  "C:/models",
  "c:model.gguf",
  "D:\\models",
  "\\\\server\\share\\model.gguf",
  "\\\\?\\C:\\models\\model.gguf",
  "models\\model.gguf",
  "..\\model",
];

describe("paths with drives and backslashes", () => {
  it.each(WINDOWS_PATHS)("%s is no address: nothing is asked of a server", async (path) => {
    const ask = vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("asked"));
    try {
      const { status, err } = await requant("inspect", path, "--json");
      const { error } = JSON.parse(err);
      expect({ status, code: error.code, message: error.message }).toEqual({
        status: 4,
        code: "IO",
        message: `${path}: no such file or directory.`,
      });
      expect(ask).not.toHaveBeenCalled();
    } finally {
      ask.mockRestore();
    }
  });

  it.each(WINDOWS_PATHS)("%s is a path as an output, too", async (argument) => {
    const asked = { argument, singleFile: true, environment: {}, options: {} };
    expect(await remotePlace(asked)).toBeUndefined();
  });
});

describe("an output that is the source under another spelling", () => {
  it("is refused where the file system says that both are one file", async () => {
    const source = at("model.gguf");
    expect(await requant("convert", hf, source, "--to", "q8_0")).toMatchObject({ status: 0 });
    const before = readFileSync(source);
    // a second name stands for the second spelling
    linkSync(source, at("MODEL.GGUF"));
    const { status, err } = await requant(
      "convert",
      source,
      at("MODEL.GGUF"),
      "--to",
      "gguf:f16",
      "--overwrite",
      "--json",
    );
    expect({ status, message: JSON.parse(err).error.message }).toEqual({
      status: 2,
      message: "The output is a file of the source.",
    });
    expect(readFileSync(source).equals(before)).toBe(true);
    // a copy is another file
    copyFileSync(source, at("copy.gguf"));
    expect(
      await requant("convert", source, at("copy.gguf"), "--to", "gguf:f16", "--overwrite"),
    ).toMatchObject({
      status: 0,
    });
  });

  it("is refused where one of the folders above it is the source's", async () => {
    const model = await openModel({ store: directoryStore(hf) });
    try {
      const { own = "" } = (await directoryStore(hf).identity?.()) ?? {};
      expect(own).not.toBe("");
      // a disk without upper and lower case, on which the real paths differ
      const output = {
        ...directoryStore(at("out")),
        identity: async () => ({ own: undefined, above: ["0:1", own, "0:2"] }),
      };
      await expect(refuseOverlap(model, output, ["model.gguf"])).rejects.toThrow(
        "The output lies inside the source.",
      );
      await expect(refuseOverlap(model, directoryStore(at("out")), ["model.gguf"])).resolves.toBeUndefined();
    } finally {
      await model.close();
    }
  });
});

describe("long names and paths", () => {
  it("of 3000 characters are written and read, with no working file left", async () => {
    const deep = join(folder, ...Array.from({ length: 14 }, (_, i) => `${i}-`.padEnd(200, "x")));
    const output = join(deep, "model.gguf");
    expect(output.length).toBeGreaterThan(2800);
    expect(await requant("convert", hf, output, "--to", "q4_0")).toMatchObject({ status: 0 });
    expect(await requant("inspect", output, "--json")).toMatchObject({ status: 0 });
    expect(readdirSync(deep)).toEqual(["model.gguf"]);
  });

  it("of 255 bytes, in letters of one byte and of three", async () => {
    for (const name of ["a".repeat(250), "語".repeat(83)]) {
      expect(await requant("convert", hf, at(`${name}.gguf`), "--to", "q4_0")).toMatchObject({ status: 0 });
      expect(readdirSync(folder)).toContain(`${name}.gguf`);
    }
  });
});

describe("colours", () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { TERM: "dumb" }, false],
    [true, { TERM: "xterm-256color" }, true],
  ])("terminal %s, %j: %s", (isTTY, environment, wanted) => {
    expect(colorsFor({ isTTY }, environment).isColorSupported).toBe(wanted);
  });
});
