/**
 * Statistics of a text in parts. Oracles: the file of one machine, for what is in it and within which bound; and the file of a single
 * part, for the bytes that any number of parts must make.
 */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openStatistics, wasmCompute } from "@requant/calibrate";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  abandonShared,
  collectStatistics,
  describeSlices,
  openModel,
  openStatisticsParts,
  parseAnyPlan,
  plannedVersions,
  type SavedStatisticsPlan,
  type StatisticsParts,
  type StatisticsPlanContent,
  savedStatisticsPlan,
} from "../../src/index.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const text = readFileSync(join(fixtures, "kjv/heldout.txt"), "utf8").slice(0, 12_000);
const folder = mkdtempSync(join(tmpdir(), "requant-slices-"));
const compute = wasmCompute();
const MODELS = { dense: "kjv/hf", mixture: "arch/granite-3.1-moe-tiny" } as const;
type ModelName = keyof typeof MODELS;
const SETTINGS = { window: 64, samples: 13 };

beforeAll(async () => {
  for (const name of Object.keys(MODELS) as ModelName[]) {
    const model = await openModel({ store: directoryStore(join(fixtures, MODELS[name])) });
    await collectStatistics({
      model,
      text,
      ...SETTINGS,
      store: directoryStore(folder),
      file: `${name}.safetensors`,
      compute,
    });
    await model.close();
  }
}, 60_000);
afterAll(async () => {
  await compute.close();
  rmSync(folder, { recursive: true, force: true });
});

async function content(name: ModelName, file: string, slices?: number): Promise<StatisticsPlanContent> {
  const source = join(fixtures, MODELS[name]);
  const model = await openModel({ store: directoryStore(source) });
  const facts = await describeSlices(model, { ...SETTINGS, text, slices });
  const versions = await plannedVersions(model);
  await model.close();
  return {
    source: { address: source, versions },
    options: SETTINGS,
    output: join(folder, file),
    file: "s.safetensors",
    ...facts,
  };
}

const saved = async (name: ModelName, file: string, slices?: number): Promise<SavedStatisticsPlan> =>
  savedStatisticsPlan(await content(name, file, slices));

/** As a machine of its own. */
async function onMachine<T>(
  plan: SavedStatisticsPlan,
  use: (parts: StatisticsParts) => Promise<T>,
  own: string = text,
): Promise<T> {
  const model = await openModel({ store: directoryStore(plan.source.address) });
  try {
    const store = directoryStore(plan.output, { overwrite: plan.options.overwrite === true });
    return await use(await openStatisticsParts(plan, model, own, store));
  } finally {
    await model.close();
  }
}

const run = (plan: SavedStatisticsPlan, part: number, count: number): ReturnType<StatisticsParts["run"]> =>
  onMachine(plan, (parts) => parts.run({ part, count }, { compute }));
const finish = (plan: SavedStatisticsPlan): ReturnType<StatisticsParts["finish"]> =>
  onMachine(plan, (parts) => parts.finish());
const bytesOf = (plan: SavedStatisticsPlan): Buffer => readFileSync(join(plan.output, plan.file));
const workOf = (plan: SavedStatisticsPlan): string =>
  join(plan.output, `.${plan.id.slice(0, 16)}.requant-parts`);
const slicesIn = (plan: SavedStatisticsPlan): string[] =>
  readdirSync(workOf(plan)).filter((name) => name.endsWith(".safetensors"));

async function madeIn(
  name: ModelName,
  file: string,
  order: readonly number[],
  count: number,
): Promise<Buffer> {
  const plan = await saved(name, file);
  for (const part of order) await run(plan, part, count);
  await finish(plan);
  expect(readdirSync(plan.output)).toEqual([plan.file]);
  return bytesOf(plan);
}

/** The largest difference of two files in each statistic, relative to the sizes of the inputs. */
async function differences(one: string, other: string): Promise<{ meanAbs: number; moments: number }> {
  const [a, b] = await Promise.all(
    [one, other].map((path) =>
      openStatistics(directoryStore(join(path, "..")), { file: path.split("/").at(-1) }),
    ),
  );
  if (a === undefined || b === undefined) throw new Error("not open");
  expect(b.metadata).toEqual(a.metadata);
  expect(b.entries.map(({ name, tokens }) => [name, tokens])).toEqual(
    a.entries.map(({ name, tokens }) => [name, tokens]),
  );
  const worst = { meanAbs: 0, moments: 0 };
  for (const [index, entry] of a.entries.entries()) {
    for (const matrix of entry.tokens.keys()) {
      const [x, y] = [await entry.read(matrix), await b.entries[index]?.read(matrix)];
      const { columns, moments, meanAbs } = x;
      for (let row = 0; row < columns; row++) {
        const difference = Math.abs((meanAbs[row] ?? 0) - (y?.meanAbs[row] ?? 0));
        if (difference > 0) worst.meanAbs = Math.max(worst.meanAbs, difference / (meanAbs[row] ?? 0));
        for (let column = 0; column < columns; column++) {
          const at = row * columns + column;
          const size = Math.sqrt(
            (moments[row * (columns + 1)] ?? 0) * (moments[column * (columns + 1)] ?? 0),
          );
          const off = Math.abs((moments[at] ?? 0) - (y?.moments[at] ?? 0));
          if (off > 0) worst.moments = Math.max(worst.moments, off / size);
        }
      }
    }
  }
  await a.close();
  await b.close();
  return worst;
}

describe.each(Object.keys(MODELS) as ModelName[])("statistics of a %s model", (name) => {
  it("have the same bytes for any number of parts, in any order, made twice or not", async () => {
    const one = await madeIn(name, `${name}-1`, [1], 1);
    expect((await madeIn(name, `${name}-3`, [3, 1, 2, 1], 3)).equals(one)).toBe(true);
    // more parts than slices: some are empty
    expect((await madeIn(name, `${name}-11`, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 11)).equals(one)).toBe(
      true,
    );
  }, 60_000);

  it("are those of one machine but for the rounding of sums", async () => {
    const parts = join(folder, `${name}-1`, "s.safetensors");
    const worst = await differences(join(folder, `${name}.safetensors`), parts);
    // one machine sums in f32, whose step is 6e-8 of a number; sums of |x| are f64 in either case
    expect(worst.meanAbs).toBeLessThan(1.5e-7);
    expect(worst.moments).toBeLessThan(2e-6);
    expect(worst.moments).toBeGreaterThan(0);
  });

  it("in one slice have the bytes of one machine", async () => {
    const plan = await saved(name, `${name}-whole`, 1);
    await run(plan, 1, 1);
    await finish(plan);
    expect(bytesOf(plan).equals(readFileSync(join(folder, `${name}.safetensors`)))).toBe(true);
  });
});

describe("parts of statistics", () => {
  it("of different counts go together, and a slice is made once", async () => {
    const plan = await saved("dense", "counts");
    expect(await run(plan, 1, 2)).toMatchObject({ state: "made", pieceCount: 4, madeCount: 4 });
    expect(await run(plan, 2, 4)).toMatchObject({ state: "whole", madeCount: 0 });
    for (const part of [3, 4]) await run(plan, part, 4);
    expect(slicesIn(plan)).toHaveLength(8);
    await finish(plan);
    expect(bytesOf(plan).equals(readFileSync(join(folder, "dense-1", "s.safetensors")))).toBe(true);
  });

  it("of two machines at the same time both end well", async () => {
    const plan = await saved("dense", "two");
    await Promise.all([1, 1, 2, 2].map((part) => run(plan, part, 2)));
    await finish(plan);
    expect(bytesOf(plan).equals(readFileSync(join(folder, "dense-1", "s.safetensors")))).toBe(true);
  });

  it("that are missing, damaged or cut are named and made again", async () => {
    const plan = await saved("dense", "damaged");
    await expect(finish(plan)).rejects.toMatchObject({ reason: "parts-missing" });
    await run(plan, 2, 3);
    await expect(finish(plan)).rejects.toThrow("it lacks parts 1/3, 3/3");
    for (const part of [1, 3]) await run(plan, part, 3);
    const find = (slice: number): string =>
      join(workOf(plan), slicesIn(plan).find((file) => file.startsWith(`slice-${slice}-`)) ?? "");
    const bytes = readFileSync(find(0));
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
    writeFileSync(find(0), bytes);
    truncateSync(find(7), 1000);
    await expect(finish(plan)).rejects.toMatchObject({
      reason: "parts-damaged",
      message: expect.stringContaining("parts 1/3, 3/3"),
    });
    expect(readdirSync(plan.output)).not.toContain(plan.file);
    for (const part of [1, 2, 3]) {
      expect(await run(plan, part, 3)).toMatchObject({ madeCount: part === 2 ? 0 : 1 });
    }
    await finish(plan);
    expect(bytesOf(plan).equals(readFileSync(join(folder, "dense-1", "s.safetensors")))).toBe(true);
  });

  it("that were stopped keep their finished slices and leave nothing else", async () => {
    const plan = await saved("dense", "stopped");
    const stop = new AbortController();
    const stopped = onMachine(plan, (parts) =>
      parts.run(
        { part: 1, count: 1 },
        {
          compute,
          signal: stop.signal,
          onProgress: ({ done, total }) => done / total > 0.55 && stop.abort(),
        },
      ),
    );
    await expect(stopped).rejects.toThrow(/abort/i);
    expect(readdirSync(workOf(plan)).filter((name) => name !== "logs")).toEqual(slicesIn(plan));
    expect(slicesIn(plan)).toHaveLength(4);
    expect(await run(plan, 1, 1)).toMatchObject({ pieceCount: 8, madeCount: 4 });
    await finish(plan);
    expect(bytesOf(plan).equals(readFileSync(join(folder, "dense-1", "s.safetensors")))).toBe(true);
  });

  it("that come late, and a second finish, change nothing", async () => {
    const plan = await saved("dense", "late", 2);
    await run(plan, 1, 1);
    expect(await finish(plan)).toMatchObject({ windows: 13, window: 64, entries: 14 });
    const before = bytesOf(plan);
    expect(await run(plan, 1, 2)).toMatchObject({ state: "published", madeCount: 0 });
    expect(await finish(plan)).toMatchObject({ finishedAlready: true });
    expect(bytesOf(plan).equals(before)).toBe(true);
    expect(readdirSync(plan.output)).toEqual([plan.file]);
  });

  it("are removed with an abandoned plan", async () => {
    const plan = await saved("dense", "abandoned", 2);
    await run(plan, 1, 2);
    await abandonShared(plan, directoryStore(plan.output));
    expect(readdirSync(plan.output)).toEqual([]);
  });

  it("whose folder is removed while they run end with a refusal, and make no new one", async () => {
    const plan = await saved("dense", "removed", 2);
    let steps = 0;
    const onProgress = (): void => {
      if (steps++ === 0) rmSync(workOf(plan), { recursive: true });
    };
    const running = onMachine(plan, (parts) => parts.run({ part: 1, count: 1 }, { compute, onProgress }));
    await expect(running).rejects.toMatchObject({ code: "IO" });
    expect(existsSync(workOf(plan))).toBe(false);
  });

  it("do not replace another file", async () => {
    const plan = await saved("dense", "foreign", 1);
    await run(plan, 1, 1);
    writeFileSync(join(plan.output, plan.file), "another file");
    await expect(finish(plan)).rejects.toThrow(/exists already, and it is not what this plan makes/);
    expect(bytesOf(plan).toString()).toBe("another file");
  });
});

describe("a plan for statistics", () => {
  it("is the same after it was written and read, and refused where it was changed", async () => {
    const plan = await saved("dense", "read");
    const json = JSON.stringify(plan);
    expect(parseAnyPlan(json, "plan.json")).toEqual(plan);
    for (const edited of [json.replace('"slices":8', '"slices":4'), json.slice(0, -20), "{}", "[]", "null"]) {
      expect(() => parseAnyPlan(edited, "plan.json")).toThrow(/plan/);
    }
    const hostile = { ...(await content("dense", "read")), slices: 1000 };
    expect(() => parseAnyPlan(JSON.stringify(savedStatisticsPlan(hostile)), "plan.json")).toThrow(
      "1000 slices of 13 windows",
    );
  });

  it("whose file leaves the folder writes nothing", async () => {
    const plan = savedStatisticsPlan({
      ...(await content("dense", "escape", 1)),
      file: "../escaped.safetensors",
    });
    await expect(run(plan, 1, 1)).rejects.toMatchObject({ code: expect.stringMatching(/USAGE|FORMAT/) });
    expect(readdirSync(folder)).not.toContain("escaped.safetensors");
  });

  it("is refused with another text, another source, and other numbers of slices than there can be", async () => {
    const plan = await saved("dense", "other");
    await expect(onMachine(plan, async () => {}, `In the beginning ${text}`)).rejects.toThrow(
      "not those of the plan",
    );
    const { kind: _kind, version: _version, id: _id, ...rest } = plan;
    const moved = savedStatisticsPlan({
      ...rest,
      source: { ...plan.source, versions: { ...plan.source.versions, "config.json": "other" } },
    });
    await expect(onMachine(moved, async () => {})).rejects.toThrow("has changed since the plan was saved");
    for (const slices of [0, 14]) {
      await expect(saved("dense", "other", slices)).rejects.toThrow(`cannot be cut into ${slices} slices`);
    }
  });
});
