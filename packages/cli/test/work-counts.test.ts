/**
 * What a conversion asks of the system, counted by the kernel of Linux: bytes, no clock. The figures are those that a larger
 * model adds, so that the start of the command does not count.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const root = resolve(import.meta.dirname, "../../..");
const command = join(root, "packages/cli/dist/bin.js");
const whyNot = !existsSync("/proc/self/io")
  ? "only Linux counts a process's reads and writes"
  : !existsSync(command)
    ? "not built"
    : undefined;

const MB = 1e6;

/** Decimal places: the journal of the run, and the system's wake-up calls, are in the counts too. */
const TOLERANCE = 2;

/**
 * Of /proc/self/io: bytes of all reading and writing calls, whether a disk or the system's cache served them. The number of calls is
 * there, too, but threads that wake each other count in it.
 */
const countsSchema = z.object({ rchar: z.number(), wchar: z.number() });
type Counts = z.infer<typeof countsSchema>;

/** Runs in the process that is counted, at its end. */
const atExit = `
import { readFileSync, writeSync } from "node:fs";
process.on("exit", () => {
  const lines = readFileSync("/proc/self/io", "utf8").trim().split("\\n").map((line) => line.split(": "));
  writeSync(2, "counts " + JSON.stringify(Object.fromEntries(lines.map(([name, count]) => [name, Number(count)]))) + "\\n");
});`;

let folder = "";
/** Models of 1 and of 9 layers. */
const models = { small: "", large: "" };

describe.skipIf(whyNot !== undefined)(
  `what a conversion asks of the system (skipped: ${whyNot ?? ""})`,
  () => {
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "requant-work-counts-"));
      for (const [name, layers] of [
        ["small", 1],
        ["large", 9],
      ] as const) {
        models[name] = join(folder, `${name}.gguf`);
        const made = ["--layers", String(layers), "--embedding", "512", "--vocabulary", "2048"];
        spawnSync(process.execPath, [join(root, "scripts/make-model.mjs"), models[name], ...made]);
      }
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    function counted(args: readonly string[]): Counts {
      const hook = `data:text/javascript,${encodeURIComponent(atExit)}`;
      // code that was compiled before is read, or not, by chance
      const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" };
      const { stderr, status } = spawnSync(process.execPath, ["--import", hook, command, ...args], {
        encoding: "utf8",
        env,
      });
      expect(status, stderr).toBe(0);
      const line = stderr.split("\n").find((text) => text.startsWith("counts "));
      return countsSchema.parse(JSON.parse(line?.slice("counts ".length) ?? ""));
    }

    interface Added extends Counts {
      readonly source: number;
      readonly output: number;
    }

    /** What the large model adds to the counts and to the files. */
    function added(target: string, options: readonly string[]): Added {
      const [small, large] = (["small", "large"] as const).map((name) => {
        const output = join(folder, `${name}-out.gguf`);
        const counts = counted(["convert", models[name], output, "--to", target, "--overwrite", ...options]);
        return { ...counts, source: statSync(models[name]).size, output: statSync(output).size };
      });
      if (small === undefined || large === undefined) throw new Error("A conversion was not counted.");
      const more = Object.entries(large).map(([name, count]) => [name, count - small[name as keyof Added]]);
      return Object.fromEntries(more) as Added;
    }

    it.each(["gguf:q8_0", "gguf:q4_0", "gguf:f32"])(
      "%s reads the source once, and the output once more",
      (target) => {
        const { rchar, wchar, source, output } = added(target, ["--jobs", "1"]);
        expect(source).toBeGreaterThan(20 * MB);
        expect(rchar / (source + output)).toBeCloseTo(1, TOLERANCE);
        expect(wchar / output).toBeCloseTo(1, TOLERANCE);
      },
    );

    it("with --no-verify only the source is read", () => {
      const { rchar, wchar, source, output } = added("gguf:q8_0", ["--jobs", "1", "--no-verify"]);
      expect(rchar / source).toBeCloseTo(1, TOLERANCE);
      expect(wchar / output).toBeCloseTo(1, TOLERANCE);
    });
  },
);
