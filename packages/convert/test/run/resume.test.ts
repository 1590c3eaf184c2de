/** What survives an interruption, and what does not. The oracle is always the file of an uninterrupted run. */
import { appendFileSync, truncateSync } from "node:fs";
import {
  appendFile,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError, type StagedFile } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Model,
  type OutputStore,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  planModelSplit,
  type RunOptions,
  runPlan,
} from "../../src/index.ts";
import { headLine, parseJournal, pieceLine } from "../../src/run/outputs/journal.ts";
import { ggufBytes } from "../tiny-gguf.ts";

const BAND = 1024;

let folder = "";
let model: Model;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-resume-"));
  await writeFile(join(folder, "tiny.gguf"), await ggufBytes());
  model = await openTiny();
});
afterEach(async () => {
  await model.close();
  await rm(folder, { recursive: true, force: true });
});

function openTiny(): Promise<Model> {
  return openModel({ store: directoryStore(folder), file: "tiny.gguf" });
}

const out = (): string => join(folder, "out");
const part = (): string => join(out(), ".x.gguf.requant-part");
const journal = (): string => join(out(), ".x.gguf.requant-journal");
const planned = (): Promise<Plan> => planConversion(model, parseTarget("gguf:q4_0"), { outputName: "x" });

async function run(
  plan: Plan,
  options: RunOptions = {},
  store: OutputStore = directoryStore(out()),
): Promise<void> {
  await runPlan(plan, model, store, { bandByteLength: BAND, ...options });
}

/** The file that a run without incidents makes. */
async function expected(plan: Plan): Promise<Buffer> {
  await run(plan, {}, directoryStore(join(folder, "whole")));
  return readFile(join(folder, "whole", "x.gguf"));
}

/** A run that is stopped when so much of the work is done. */
async function interrupted(plan: Plan, share: number, phase: "write" | "check" = "write"): Promise<void> {
  const controller = new AbortController();
  const options: RunOptions = {
    signal: controller.signal,
    onProgress(progress) {
      if (progress.phase === phase && progress.done >= share * progress.total) controller.abort();
    },
  };
  await expect(run(plan, options)).rejects.toMatchObject({ name: "AbortError" });
}

/** A directory whose staged files are changed by `wrap`. */
function wrapped(wrap: (file: StagedFile) => Partial<StagedFile>): OutputStore {
  const store = directoryStore(out());
  return {
    ...store,
    async stage(path, options) {
      const file = await directoryStore(out()).stage?.(path, options);
      if (file === undefined) throw new Error("a directory can stage");
      // the prototype keeps what is not replaced, getters too
      return Object.assign(Object.create(file) as StagedFile, wrap(file));
    },
  };
}

describe("an interrupted run", () => {
  it.each([0, 0.3, 0.9])(
    "stopped at %d of the writing has no file, and goes on to the same bytes",
    async (share) => {
      const plan = await planned();
      const wanted = await expected(plan);
      await interrupted(plan, share);
      expect((await readdir(out())).every((name) => name.startsWith("."))).toBe(true);
      const seen: number[] = [];
      await run(plan, {
        resume: true,
        onProgress: ({ phase, done }) => phase === "write" && seen.push(done),
      });
      expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
      expect(await readdir(out())).toEqual(["x.gguf"]);
      // every byte is counted once, those of the first run too
      expect(seen.at(-1)).toBe(plan.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0));
    },
  );

  it("does not make again what is finished", async () => {
    const plan = await planned();
    await interrupted(plan, 0.9);
    const lines = parseJournal(await readFile(journal())).pieces.size;
    let written = 0;
    const store = wrapped((file) => ({
      async write(bytes, start) {
        // the header is small, and is written each time
        if (start > 0) written += 1;
        await file.write(bytes, start);
      },
    }));
    await run(plan, { resume: true }, store);
    const pieces = await allPieces(plan);
    expect(lines).toBeGreaterThan(pieces / 2);
    expect(written).toBe(pieces - lines);
  });

  it("stopped while it checks is checked again", async () => {
    const plan = await planned();
    const wanted = await expected(plan);
    await interrupted(plan, 0.5, "check");
    expect(await readdir(out())).not.toContain("x.gguf");
    await run(plan, { resume: true });
    expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
  });

  it("is thrown away by a run that does not resume", async () => {
    const plan = await planned();
    const wanted = await expected(plan);
    await interrupted(plan, 0.5);
    await run(plan);
    expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });

  it("leaves nothing where nothing is to be kept", async () => {
    const controller = new AbortController();
    const options = { signal: controller.signal, keep: false, onProgress: () => controller.abort() };
    await expect(run(await planned(), options)).rejects.toMatchObject({ name: "AbortError" });
    expect(await readdir(folder)).toEqual(["tiny.gguf"]);
  });

  it("says that something was kept", async () => {
    const notices: string[] = [];
    const controller = new AbortController();
    await expect(
      run(await planned(), {
        signal: controller.signal,
        onProgress: () => controller.abort(),
        onFinding: ({ code }) => notices.push(code),
      }),
    ).rejects.toThrow();
    expect(notices).toEqual(["kept"]);
  });

  it("goes on file by file in a split model", async () => {
    const plan = await planModelSplit(model, { outputName: "x", maxTensors: 1 });
    await run(plan, {}, directoryStore(join(folder, "whole")));
    for (const share of [0.2, 0.6, 0.95]) await interruptedAgain(plan, share);
    expect((await readdir(out())).every((name) => name.startsWith("."))).toBe(true);
    await run(plan, { resume: true });
    expect((await readdir(out())).sort()).toEqual((await readdir(join(folder, "whole"))).sort());
    for (const name of await readdir(out())) {
      expect(await readFile(join(out(), name)), name).toEqual(await readFile(join(folder, "whole", name)));
    }
  });
});

async function interruptedAgain(plan: Plan, share: number): Promise<void> {
  const controller = new AbortController();
  await expect(
    run(plan, {
      resume: true,
      signal: controller.signal,
      onProgress: ({ done, total }) => done >= share * total && controller.abort(),
    }),
  ).rejects.toMatchObject({ name: "AbortError" });
}

async function allPieces(plan: Plan): Promise<number> {
  let count = 0;
  await runPlan(plan, model, directoryStore(join(folder, "counted")), {
    bandByteLength: BAND,
    check: false,
    onProgress: () => {
      count += 1;
    },
  });
  return count;
}

describe("what a power failure leaves", () => {
  /** Everything written, nothing published: the journal claims all pieces. */
  async function almostDone(plan: Plan): Promise<{ journal: Buffer; part: Buffer; wanted: Buffer }> {
    const wanted = await expected(plan);
    await interrupted(plan, 1, "check");
    return { journal: await readFile(journal()), part: await readFile(part()), wanted };
  }

  it("a journal cut or changed anywhere costs work, not bytes", async () => {
    const plan = await planned();
    const left = await almostDone(plan);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(left.journal.length),
        fc.option(fc.tuple(fc.nat(left.journal.length - 1), fc.integer({ min: 1, max: 255 }))),
        async (length, change) => {
          const lines = Buffer.from(left.journal);
          if (change !== null) lines[change[0]]! ^= change[1];
          await writeFile(journal(), lines.subarray(0, length));
          await writeFile(part(), left.part);
          await rm(join(out(), "x.gguf"), { force: true });
          await run(plan, { resume: true });
          expect(await readFile(join(out(), "x.gguf"))).toEqual(left.wanted);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("pages that never reached the disk are found and made again", async () => {
    const plan = await planned();
    const left = await almostDone(plan);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(left.part.length), { maxLength: 4 }), async (places) => {
        const bytes = Buffer.from(left.part);
        for (const place of places) bytes.fill(0, place, Math.min(place + 512, bytes.length));
        await writeFile(journal(), left.journal);
        await writeFile(part(), bytes);
        await rm(join(out(), "x.gguf"), { force: true });
        await run(plan, { resume: true });
        expect(await readFile(join(out(), "x.gguf"))).toEqual(left.wanted);
      }),
      { numRuns: 40 },
    );
  });

  it("a file that is missing, too short or too long beside a whole journal", async () => {
    const plan = await planned();
    const left = await almostDone(plan);
    for (const damage of [() => rm(part()), () => truncate(part(), 100), () => appendFile(part(), "more")]) {
      await writeFile(journal(), left.journal);
      await writeFile(part(), left.part);
      await rm(join(out(), "x.gguf"), { force: true });
      await damage();
      await run(plan, { resume: true });
      expect(await readFile(join(out(), "x.gguf"))).toEqual(left.wanted);
    }
  });

  it("a death between the name and the end of the journal", async () => {
    const plan = await planned();
    const left = await almostDone(plan);
    await copyFile(part(), join(out(), "x.gguf"));
    await rm(part());
    await run(plan, { resume: true });
    expect(await readFile(join(out(), "x.gguf"))).toEqual(left.wanted);
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });

  it("a death after the very end: the output is made again and compared", async () => {
    const plan = await planned();
    await run(plan);
    const wanted = await readFile(join(out(), "x.gguf"));
    const notices: string[] = [];
    await run(plan, { resume: true, onFinding: ({ code }) => notices.push(code) });
    expect(notices).toEqual(["compared"]);
    expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
    expect(await readdir(out())).toEqual(["x.gguf"]);
    // somebody else's file of the same length is not touched
    const other = Buffer.from(wanted);
    other[other.length - 1]! ^= 1;
    await writeFile(join(out(), "x.gguf"), other);
    await expect(run(plan, { resume: true })).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("not what this conversion makes"),
    });
    expect(await readFile(join(out(), "x.gguf"))).toEqual(other);
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });

  it("an output that somebody made meanwhile is not replaced", async () => {
    const plan = await planned();
    await almostDone(plan);
    await writeFile(join(out(), "x.gguf"), "mine");
    await expect(run(plan, { resume: true })).rejects.toMatchObject({ code: "IO" });
    expect(await readFile(join(out(), "x.gguf"), "utf8")).toBe("mine");
    // nor is the work lost
    await rm(join(out(), "x.gguf"));
    await run(plan, { resume: true });
  });
});

describe("what may not go on", () => {
  it("another target, band or source; the work is kept for the right one", async () => {
    const plan = await planned();
    const wanted = await expected(plan);
    await interrupted(plan, 0.5);
    const other = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "x" });
    await expect(run(other, { resume: true })).rejects.toMatchObject({ code: "USAGE" });
    await expect(run(plan, { resume: true, bandByteLength: 2 * BAND })).rejects.toMatchObject({
      code: "USAGE",
    });
    await run(plan, { resume: true });
    expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
  });

  it("a source that was touched since", async () => {
    const plan = await planned();
    await interrupted(plan, 0.5);
    await model.close();
    await utimes(join(folder, "tiny.gguf"), 1, 1);
    model = await openTiny();
    await expect(run(await planned(), { resume: true })).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining('"tiny.gguf"'),
    });
  });

  it("a store that only appends", async () => {
    const { stage: _, ...store } = directoryStore(out());
    await expect(run(await planned(), { resume: true }, store)).rejects.toMatchObject({ code: "USAGE" });
    await run(await planned(), {}, store);
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });
});

describe("faults", () => {
  it("a disk that is full: an I/O error, nothing under the name, and a run that goes on when there is room", async () => {
    const plan = await planned();
    const wanted = await expected(plan);
    let room = 4000;
    const store = wrapped((file) => ({
      async write(bytes, start) {
        room -= bytes.byteLength;
        if (room < 0)
          throw new IoError("Cannot write the file: no space left on the disk.", { path: file.name });
        await file.write(bytes, start);
      },
    }));
    await expect(run(plan, {}, store)).rejects.toMatchObject({ code: "IO" });
    expect(await readdir(out())).not.toContain("x.gguf");
    room = 0;
    await expect(run(plan, { resume: true }, store)).rejects.toMatchObject({ code: "IO" });
    room = Number.POSITIVE_INFINITY;
    await run(plan, { resume: true }, store);
    expect(await readFile(join(out(), "x.gguf"))).toEqual(wanted);
  });

  it("a journal that cannot be written", async () => {
    const plan = await planned();
    let lines = 0;
    const store = wrapped((file) => ({
      async log(bytes) {
        lines += 1;
        if (lines === 5) {
          // half of a line, as a full disk leaves it
          await file.log(bytes.subarray(0, 3));
          throw new IoError("Cannot write the file: no space left on the disk.", { path: file.name });
        }
        await file.log(bytes);
      },
    }));
    await expect(run(plan, {}, store)).rejects.toMatchObject({ code: "IO" });
    await run(plan, { resume: true });
    expect(await readFile(join(out(), "x.gguf"))).toEqual(await expected(plan));
  });

  it("a disk that loses bytes is found out before the file has its name", async () => {
    const plan = await planned();
    const store = wrapped((file) => ({
      async write(bytes, start) {
        const lossy = bytes.slice();
        if (start > 2000) lossy[0]! ^= 1;
        await file.write(lossy, start);
      },
    }));
    await expect(run(plan, {}, store)).rejects.toMatchObject({
      code: "IO",
      tensor: expect.any(String),
      message: expect.stringContaining("read back"),
    });
    expect(await readdir(out())).not.toContain("x.gguf");
  });

  it("a source that changes or ends while it is read", async () => {
    for (const change of [
      () => truncateSync(join(folder, "tiny.gguf"), 5000),
      () => appendFileSync(join(folder, "tiny.gguf"), "x"),
    ]) {
      const plan = await planned();
      let changed = false;
      await expect(
        run(plan, {
          onProgress() {
            if (!changed) change();
            changed = true;
          },
        }),
      ).rejects.toMatchObject({ code: "IO", path: join(folder, "tiny.gguf") });
      expect(await readdir(out())).not.toContain("x.gguf");
      await model.close();
      await rm(out(), { recursive: true });
      await writeFile(join(folder, "tiny.gguf"), await ggufBytes());
      model = await openTiny();
    }
  });

  it("a plan that cannot be carried out leaves nothing", async () => {
    const plan = await planned();
    const broken = { ...plan, tensors: plan.tensors.map((tensor) => ({ ...tensor, to: "NOPE" })) };
    await expect(run(broken)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["tiny.gguf"]);
  });

  it("two runs on one output", async () => {
    const plan = await planned();
    const other = await openTiny();
    let second: Promise<unknown> | undefined;
    await run(plan, {
      onProgress() {
        second ??= runPlan(plan, other, directoryStore(out()), { bandByteLength: BAND }).catch(
          (error: unknown) => error,
        );
      },
    });
    expect(await second).toMatchObject({ code: "IO" });
    await other.close();
    expect(await readdir(out())).toEqual(["x.gguf"]);
  });
});

describe("the source is never written to", () => {
  it("not through a link to it, nor to its folder", async () => {
    const hf = join(folder, "hf");
    await mkdir(hf);
    const store = directoryStore(hf);
    const plan = await planConversion(model, parseTarget("safetensors:f16"));
    await runPlan(plan, model, store);
    const before = await readFile(join(hf, "model.safetensors"));
    await symlink("hf", join(folder, "link"));
    const source = await openModel({ store });
    const back = await planConversion(source, parseTarget("safetensors:f32"));
    for (const place of [hf, join(folder, "link"), join(folder, "link", "inside")]) {
      await expect(
        runPlan(back, source, directoryStore(place, { overwrite: true }), { overwrite: true }),
        place,
      ).rejects.toMatchObject({ code: "USAGE" });
    }
    await source.close();
    await symlink("tiny.gguf", join(folder, "x.gguf"));
    await expect(
      runPlan(await planned(), model, directoryStore(folder, { overwrite: true }), { overwrite: true }),
    ).rejects.toMatchObject({ code: "USAGE" });
    expect(await readFile(join(hf, "model.safetensors"))).toEqual(before);
    expect(await readFile(join(folder, "tiny.gguf"))).toEqual(Buffer.from(await ggufBytes()));
  });
});

describe("the journal", () => {
  const head = { run: "abc", source: { "a.gguf": "1", "b.gguf": null } };
  const hash = fc.stringMatching(/^[0-9a-f]{16}$/);
  const numbers = fc.oneof(fc.double({ min: 0, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY));

  it("comes back as it was written, numbers to the last bit", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), hash, numbers, numbers, numbers)), (lines) => {
        const bytes = Buffer.concat([
          headLine(head),
          ...lines.map(([index, checksum, noise, maxAbsError, signal]) =>
            pieceLine(index, { checksum, noise, maxAbsError, signal }),
          ),
        ]);
        const parsed = parseJournal(bytes);
        expect(parsed.head).toEqual(head);
        expect(parsed.byteLength).toBe(bytes.byteLength);
        const wanted = new Map(
          lines.map(([index, checksum, noise, maxAbsError, signal]) => [
            index,
            { checksum, noise, maxAbsError, signal },
          ]),
        );
        expect(parsed.pieces).toEqual(wanted);
      }),
    );
  });

  it("of other bytes is empty", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseJournal(bytes)).toEqual({
          head: undefined,
          pieces: new Map(),
          parts: new Map(),
          byteLength: 0,
        });
      }),
    );
  });
});

it("ends the journals only when all files have their names", async () => {
  const order: string[] = [];
  const store = wrapped((file) => ({
    async publish() {
      await file.publish();
      order.push("publish");
    },
    async finish() {
      order.push("finish");
      await file.finish();
    },
  }));
  await run(await planModelSplit(model, { outputName: "x", maxTensors: 2 }), {}, store);
  expect(order).toEqual(["publish", "publish", "finish", "finish"]);
});
