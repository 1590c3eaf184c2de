/**
 * Hostile files through the commands that `abuse.test.ts` has not: in this process, which a fault would end or leave marks
 * in. The outcome of each file is settled there; here a command may do what it can, but cleanly.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { abuseSet, isHuge, modelPath, readCases } from "../../../../fixtures/abuse-cases.ts";
import { requant } from "../run.ts";
import { RAW_CONTROL } from "./judge.ts";

const set = abuseSet();
const cases = readCases(set);
const scratch = mkdtempSync(join(tmpdir(), "requant-abuse-other-"));
const before = treeOf(set);
let outputs = "";

beforeAll(() => {
  outputs = join(scratch, "outputs");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function treeOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

const commands: readonly (readonly [
  name: string,
  args: (model: string, output: string) => string[],
  writes: boolean,
])[] = [
  ["metadata list", (model) => ["metadata", "list", model], false],
  ["metadata get", (model) => ["metadata", "get", model, "general.name", "tokenizer.chat_template"], false],
  ["hash", (model) => ["hash", model, "--tensors", "--values"], false],
  ["dump", (model) => ["dump", model, "token_embd.weight"], false],
  ["plan", (model) => ["plan", model, "--to", "gguf:q8_0"], false],
  ["split", (model, output) => ["split", model, output, "--max-tensors", "2"], true],
  ["merge", (model, output) => ["merge", model, output], true],
  ["fake-quantize", (model, output) => ["fake-quantize", model, output, "--to", "gguf:q4_0"], true],
];

/** Only `split`, `merge` and `fake-quantize` may leave anything, and only what they were told to make. */
describe.each(commands)("%s", (_name, argumentsOf, writes) => {
  it.each(cases.filter((abuse) => !isHuge(abuse)))("$id", async (abuse) => {
    mkdirSync(outputs);
    try {
      const model = modelPath(set, join(scratch, "models"), abuse);
      const output = join(outputs, "made");
      for (const json of [false, true]) {
        const args = argumentsOf(model, output);
        const { status, out, err } = await requant(...args, ...(json ? ["--json"] : []));
        expect([0, 1, 2, 3, 4, 5], err).toContain(status);
        // the arguments are right: a good file comes through
        if (abuse.id === "tiny-llama-f16") expect(status, err).toBeLessThan(2);
        expect(out).not.toMatch(RAW_CONTROL);
        expect(err).not.toMatch(RAW_CONTROL);
        expect(err).not.toMatch(/^\s+at .*[:(]\d+/m);
        if (status > 1) {
          expect(out).toBe("");
          if (json) expect(JSON.parse(err).error.code).not.toBe("INTERNAL");
          expect(treeOf(outputs)).toEqual([]);
        } else if (json && out !== "") JSON.parse(out);
        const made = treeOf(outputs).filter((name) => !/^made/.test(name));
        expect(made).toEqual([]);
        if (!writes) expect(treeOf(outputs)).toEqual([]);
        rmSync(outputs, { recursive: true });
        mkdirSync(outputs);
      }
    } finally {
      rmSync(outputs, { recursive: true, force: true });
      rmSync(join(scratch, "models"), { recursive: true, force: true });
    }
  });
});

it("nothing was made or removed beside the files, and no prototype has more than before", () => {
  expect(treeOf(set)).toEqual(before);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(Reflect.get({}, "polluted")).toBeUndefined();
});
