/** How chunks of an upload fall to parts. The oracle is the list of all jobs of a plan, by bytes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryStore } from "@requant/core/node";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  openModel,
  parseSavedPlan,
  parseTargets,
  planConversions,
  savedPlan,
  serializePlan,
} from "../../src/index.ts";
import { type FileLayout, layoutFile } from "../../src/plan/files/layout.ts";
import { PartWork } from "../../src/run/parts/part-work.ts";
import { Chunks } from "../../src/run/parts/upload-chunks.ts";
import { cutIntoJobs } from "../../src/run/pieces.ts";
import { ggufBytes } from "../tiny-gguf.ts";

const BAND = 1024;
let folder = "";
let layouts: FileLayout[] = [];
let parts: PartWork;
let content: Parameters<typeof savedPlan>[0];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-chunks-"));
  await writeFile(join(folder, "tiny.gguf"), await ggufBytes());
  const model = await openModel({ store: directoryStore(folder), file: "tiny.gguf" });
  const plan = await planConversions(model, parseTargets("gguf:q4_0,safetensors:f16"));
  await model.close();
  layouts = plan.files.map((file) => layoutFile(plan, file));
  parts = new PartWork(cutIntoJobs(layouts, BAND), plan.tensors, layouts.length);
  content = {
    source: { address: folder, versions: {} },
    guides: {},
    output: "s3://bucket/out/",
    options: { bandByteLength: BAND },
    plan,
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("each chunk with weights belongs to exactly one part, which makes all its bytes", () => {
  const { jobs } = parts.work;
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 40_000 }), fc.integer({ min: 1, max: 60 }), (length, count) => {
      const files = layouts.map(({ file }) => ({ byteLength: file.byteLength, partByteLength: length }));
      const chunks = new Chunks(parts.work, files);
      const owners = new Map<number, number>();
      for (let part = 1; part <= count; part++) {
        const owned = chunks.ownedBy(parts, { part, count });
        const made = new Set(
          chunks.workFor(parts, owned).jobs.flatMap(({ pieces }) => pieces.map((p) => parts.numberOf(p))),
        );
        for (const chunk of owned) {
          expect(owners.has(chunk)).toBe(false);
          owners.set(chunk, part);
        }
        for (const piece of jobs.flatMap(({ pieces }) => pieces)) {
          const start = piece.byteOffset;
          const isIn = chunks
            .ofFile(piece.file)
            .some(
              ({ index, number }) =>
                owned.has(number) &&
                start < (index + 1) * length &&
                start + piece.byteLength > index * length,
            );
          expect(made.has(parts.numberOf(piece))).toBe(isIn);
        }
      }
      const withWeights = layouts.flatMap((_, file) =>
        chunks
          .ofFile(file)
          .filter(({ index }) =>
            jobs.some(({ pieces }) =>
              pieces.some(
                (piece) =>
                  piece.file === file &&
                  piece.byteOffset < (index + 1) * length &&
                  piece.byteOffset + piece.byteLength > index * length,
              ),
            ),
          )
          .map(({ number }) => number),
      );
      expect([...owners.keys()].sort((a, b) => a - b)).toEqual(withWeights);
    }),
    { numRuns: 25 },
  );
});

it("a saved plan whose uploads are not those of its files is refused", () => {
  const uploads = layouts.map((_, index) => ({ id: `upload-${index}`, partByteLength: 8 * 1024 * 1024 }));
  const read = (own: typeof uploads): unknown =>
    parseSavedPlan(serializePlan(savedPlan({ ...content, uploads: own })), "plan.json").uploads;
  expect(read(uploads)).toEqual(uploads);
  expect(() => read(uploads.slice(1))).toThrow(/names \d+ uploads/);
  expect(() => read(uploads.map((upload) => ({ ...upload, partByteLength: 1 })))).toThrow(
    /a server takes 10000/,
  );
  expect(() => read(uploads.map((upload) => ({ ...upload, partByteLength: 0 })))).toThrow(/no saved plan/);
});
