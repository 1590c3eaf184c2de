/** Saved plans that somebody has changed. Oracle: every one is refused with a CodecError, or makes what it says. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCodecError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  openParts,
  parseSavedPlan,
  parseTarget,
  planConversion,
  type SavedPlan,
  savedPlan,
  serializePlan,
  sourceVersions,
} from "../../src/index.ts";
import { ggufBytes } from "../tiny-gguf.ts";

let folder = "";
let model: Model;
let plan: SavedPlan;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-hostile-plans-"));
  await writeFile(join(folder, "tiny.gguf"), await ggufBytes());
  model = await openModel({ store: directoryStore(folder), file: "tiny.gguf" });
  plan = savedPlan({
    source: { address: "tiny.gguf", versions: await sourceVersions(model) },
    guides: {},
    output: "out",
    options: { bandByteLength: 4096 },
    plan: await planConversion(model, parseTarget("gguf:q4_0"), { outputName: "x" }),
  });
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true, force: true });
});

/** Values that are no better than any others. */
const odd = fc.constantFrom<unknown>(null, -1, 0, 1.5, 2 ** 53, 1e300, "", "../x", "\u0000", [], {}, true);

/** The places of all values in a document. */
function placesIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const own = path.length === 0 ? [] : [path];
  return [...own, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]))];
}

/** The document with another value at one place. */
function changed(document: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const inner = document as Readonly<Record<string, unknown>>;
  const next = changed(inner[key], rest, value);
  if (Array.isArray(document)) return document.map((item, index) => (String(index) === key ? next : item));
  return { ...inner, [key]: next };
}

describe("a saved plan", () => {
  it("with any byte changed is refused", () => {
    const text = serializePlan(plan).trimEnd();
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'0a{}[]",:x \n'), (at, character) => {
        const other = text.slice(0, at) + character + text.slice(at + 1);
        fc.pre(other !== text);
        let thrown: unknown;
        try {
          parseSavedPlan(other, "plan.json");
        } catch (error) {
          thrown = error;
        }
        expect(isCodecError(thrown)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("with any value changed and sealed again is refused, or carried out", async () => {
    const { kind: _kind, version: _version, id: _id, ...content } = plan;
    const places = placesIn(content).filter(([first]) => first === "plan" || first === "options");
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), odd, async (place, value) => {
        count += 1;
        const out = join(folder, `out-${count}`);
        try {
          const hostile = savedPlan(changed(content, place, value) as typeof content);
          const read = parseSavedPlan(serializePlan(hostile), "plan.json");
          const parts = await openParts(read, model, directoryStore(out));
          await parts.run({ part: 1, count: 1 });
          await parts.finish();
        } catch (error) {
          if (!isCodecError(error)) {
            throw new Error(`${place.join(".")} = ${JSON.stringify(value)}`, { cause: error });
          }
        } finally {
          await rm(out, { recursive: true, force: true });
        }
      }),
      { numRuns: 300 },
    );
    expect(count).toBeGreaterThanOrEqual(300);
  });
});
