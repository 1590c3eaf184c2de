/**
 * What a plan of 1 TB in 100,000 parts costs, and how a fleet of 1 to 64 workers would use its time. Measured: saving, reading
 * and cutting the plan; a real Redis with all its jobs; the times of real parts, of a small model. Simulated: the fleet itself.
 *
 * node --conditions=@requant/source bench/fleet-simulation.ts writes bench/fleet.json
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  defaultBandByteLength,
  metadataFromJson,
  openModel,
  openParts,
  type Plan,
  type PlanTensor,
  parseSavedPlan,
  parseTarget,
  planConversion,
  type SavedPlan,
  savedPlan,
  serializePlan,
  sourceVersions,
} from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { submitPlan, workOnParts } from "@requant/fleet";
import { layoutGguf } from "@requant/gguf";
import { Redis } from "ioredis";
import { startRedis } from "../fixtures/redis-server.ts";
import { layoutFile } from "../packages/convert/src/plan/files/layout.ts";
import { PartWork } from "../packages/convert/src/run/parts/part-work.ts";
import { cutIntoJobs } from "../packages/convert/src/run/pieces.ts";
import { simulateFleet } from "./fleet-model.ts";
import { machineFacts } from "./machine.ts";

const root = resolve(import.meta.dirname, "..");
const loadAtStart = loadavg()[0] ?? 0;
const OUTPUT = 1e12;
const PARTS = 100_000;
/** Jobs that the queue hands out while its time is measured. */
const HANDED_OUT = 20_000;
/** Parts of the small model: about as many bytes each as a part of the large plan. */
const SMALL_PARTS = 24;
const WORKERS = [1, 2, 4, 8, 16, 32, 64];

/** A plan of 1 TB: the matrix of a small model's plan, as many times as that takes. */
function largePlan(small: Plan, embedding: number): Plan {
  const pattern = small.tensors.find(({ name }) => name === "blk.0.attn_q.weight");
  const [file] = small.files;
  if (pattern === undefined || file?.kind !== "gguf") throw new Error("the small plan has no such matrix");
  const scale = (16_384 / embedding) ** 2;
  const byteLength = pattern.byteLength * scale;
  const tensors: PlanTensor[] = [];
  for (let index = 0; index * byteLength < OUTPUT; index++) {
    const name = `blk.${index}.attn_q.weight`;
    tensors.push({ ...pattern, name, shape: [16_384, 16_384], byteLength, inputs: [{ tensor: name }] });
  }
  const layout = layoutGguf({
    metadata: metadataFromJson(file.metadata),
    alignment: file.alignment,
    tensors: tensors.map(({ name, shape, to }) => ({ name, shape, encoding: to })),
  });
  const own = { ...file, byteLength: layout.byteLength, tensors: tensors.map((_, index) => index) };
  return { ...small, tensors, files: [own], byteLength: layout.byteLength };
}

function timed<T>(work: () => T): { readonly value: T; readonly seconds: number } {
  const started = performance.now();
  const value = work();
  return { value, seconds: (performance.now() - started) / 1000 };
}

function planCosts(content: Omit<SavedPlan, "kind" | "version" | "id">) {
  const saving = timed(() => savedPlan(content));
  const writing = timed(() => serializePlan(saving.value));
  const reading = timed(() => parseSavedPlan(writing.value, "plan.json"));
  const { plan } = reading.value;
  const before = process.memoryUsage().heapUsed;
  const cutting = timed(() => {
    const layouts = plan.files.map((file) => layoutFile(plan, file));
    return new PartWork(cutIntoJobs(layouts, defaultBandByteLength), plan.tensors, layouts.length);
  });
  const choosing = timed(() => {
    let jobs = 0;
    for (let part = 1; part <= PARTS; part++) {
      jobs += cutting.value.workOf({ part, count: PARTS }).jobs.length;
    }
    return jobs;
  });
  return {
    saved: saving.value,
    outputByteLength: plan.byteLength,
    tensors: plan.tensors.length,
    planByteLength: writing.value.length,
    saveSeconds: saving.seconds + writing.seconds,
    readSeconds: reading.seconds,
    jobs: choosing.value,
    cutSeconds: cutting.seconds,
    cutHeapByteLength: process.memoryUsage().heapUsed - before,
    microsecondsToChooseAPart: (choosing.seconds / PARTS) * 1e6,
  };
}

async function queueCosts(folder: string, saved: SavedPlan) {
  const redis = await startRedis(folder);
  const client = new Redis(redis.url);
  try {
    const memory = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1] ?? 0);
    const empty = await memory();
    const submitted = performance.now();
    await submitPlan(saved, { url: redis.url, address: "/plans/large.json", count: PARTS });
    const submitSeconds = (performance.now() - submitted) / 1000;
    const full = await memory();
    const stop = new AbortController();
    let handed = 0;
    const started = performance.now();
    await workOnParts({
      url: redis.url,
      concurrency: 16,
      signal: stop.signal,
      async run() {
        handed += 1;
        if (handed === HANDED_OUT) stop.abort();
        return { byteLength: 1e7, seconds: 0.1 };
      },
    });
    const seconds = (performance.now() - started) / 1000;
    return {
      submitSeconds,
      queueByteLength: full - empty,
      queueBytesPerPart: (full - empty) / PARTS,
      handedOut: handed,
      secondsPerPart: seconds / handed,
    };
  } finally {
    client.disconnect();
    await redis.kill();
  }
}

/** Parts of a small model, one thread each, as a worker makes them. */
async function partTimes(
  folder: string,
  plan: Plan,
  path: string,
): Promise<{ seconds: number[]; byteLength: number; finishBytesPerSecond: number }> {
  const model = await openModel({ store: directoryStore(folder), file: path });
  try {
    const source = { address: path, versions: await sourceVersions(model) };
    const options = { bandByteLength: defaultBandByteLength };
    const saved = savedPlan({ source, guides: {}, output: join(folder, "out"), options, plan });
    const parts = await openParts(saved, model, directoryStore(join(folder, "out")));
    const seconds: number[] = [];
    for (let part = 1; part <= SMALL_PARTS; part++) {
      seconds.push((await parts.run({ part, count: SMALL_PARTS })).seconds);
    }
    const finished = await parts.finish();
    return {
      seconds,
      byteLength: plan.byteLength,
      finishBytesPerSecond: plan.byteLength / (finished.seconds ?? Number.NaN),
    };
  } finally {
    await model.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), "requant-fleet-bench-"));
try {
  const shape = ["--layers", "8", "--embedding", "1024", "--vocabulary", "8192"];
  execFileSync(process.execPath, [join(root, "scripts/make-model.mjs"), join(folder, "m.gguf"), ...shape]);
  const model = await openModel({ store: directoryStore(folder), file: "m.gguf" });
  const small = await planConversion(model, parseTarget("gguf:q4_k_m"), { outputName: "x" });
  const versions = await sourceVersions(model);
  await model.close();

  const { saved, ...plan } = planCosts({
    source: { address: "/models/large", versions },
    guides: {},
    output: "/models/out",
    options: { bandByteLength: defaultBandByteLength },
    plan: largePlan(small, 1024),
  });
  console.log(plan);
  const queue = await queueCosts(folder, saved);
  console.log(queue);
  const smallModel = await partTimes(folder, small, "m.gguf");
  const bytesPerPart = smallModel.byteLength / SMALL_PARTS;
  // the parts of the large plan have other lengths than those that were measured
  const scale = OUTPUT / PARTS / bytesPerPart;
  const measured = {
    parts: SMALL_PARTS,
    bytesPerPart,
    seconds: smallModel.seconds,
    finishBytesPerSecond: smallModel.finishBytesPerSecond,
  };
  const curve = WORKERS.map((workers) =>
    simulateFleet({
      workers,
      parts: PARTS,
      partSeconds: smallModel.seconds.map((seconds) => seconds * scale),
      queueSeconds: queue.secondsPerPart,
      finishSeconds: OUTPUT / smallModel.finishBytesPerSecond,
    }),
  );
  console.log(measured, curve);
  await writeFile(
    join(root, "bench/fleet.json"),
    `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine: machineFacts(loadAtStart), simulated: true, loadAverage: loadavg()[0], parts: PARTS, plan, queue, measured, curve }, undefined, 2)}\n`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
