// Kills conversions at random moments, lets the next one resume, and compares the output with an uninterrupted one's.
// node scripts/kill-test.mjs [--kills 50] [--layers 8] [--embedding 2048] [--vocabulary 32000] [--target q4_0] [--jobs 2]
//                            [--seed 1] [--folder DIR]
// Defaults: 50 kills on a model of 1.08 GB, two jobs. Prints one line of JSON; status 1 when a byte differs.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeModel } from "./make-model.mjs";

const binary = fileURLToPath(new URL("../packages/cli/dist/bin.js", import.meta.url));

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    layers: { type: "string", default: "8" },
    embedding: { type: "string", default: "2048" },
    vocabulary: { type: "string", default: "32000" },
    target: { type: "string", default: "q4_0" },
    jobs: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    folder: { type: "string" },
  },
});

let state = Number(values.seed) >>> 0;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Runs a conversion, killed after `milliseconds` if it is not done by then. */
function convert(source, output, { resume = false, killAfter } = {}) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        binary,
        "convert",
        source,
        output,
        "--to",
        `gguf:${values.target}`,
        "--jobs",
        values.jobs,
        ...(resume ? ["--resume"] : []),
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let messages = "";
    child.stderr.on("data", (data) => {
      messages += data;
    });
    const timer =
      killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), Math.max(1, killAfter));
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      clearTimeout(timer);
      if (signal === "SIGKILL") resolve({ killed: true, milliseconds: performance.now() - started });
      else if (status === 0) resolve({ killed: false, milliseconds: performance.now() - started });
      else reject(new Error(`the conversion ended with status ${status}: ${messages}`));
    });
  });
}

async function sha256(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

const folder = await mkdtemp(join(values.folder ?? tmpdir(), "requant-kill-"));
try {
  const source = join(folder, "model.gguf");
  await makeModel(source, {
    layers: Number(values.layers),
    embedding: Number(values.embedding),
    vocabulary: Number(values.vocabulary),
  });
  const expected = join(folder, "expected.gguf");
  const { milliseconds: whole } = await convert(source, expected);
  const wanted = await sha256(expected);
  await rm(expected);

  const output = join(folder, "out", "model.gguf");
  const kills = Number(values.kills);
  let killed = 0;
  let finished = 0;
  let resumes = 0;
  let resume = false;
  const done = [];
  while (killed < kills || resume) {
    // the last round is not killed
    const killAfter = killed < kills ? random() * whole * 1.1 : undefined;
    const run = await convert(source, output, { resume, killAfter });
    if (resume) resumes += 1;
    if (run.killed) {
      killed += 1;
      // killed after the file got its final name: then the file must be complete
      if (existsSync(output) && (await sha256(output)) !== wanted)
        throw new Error("a torn file has the final name");
      resume = true;
      const part = join(folder, "out", ".model.gguf.requant-journal");
      done.push(
        await stat(part).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      continue;
    }
    if ((await sha256(output)) !== wanted) throw new Error(`after ${killed} kills the output differs`);
    const left = (await readdir(join(folder, "out"))).filter((name) => name !== "model.gguf");
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    finished += 1;
    await rm(join(folder, "out"), { recursive: true });
    resume = false;
  }
  const { size } = await stat(source);
  console.log(
    JSON.stringify({
      kills: killed,
      resumes,
      finished,
      identical: true,
      sourceByteLength: size,
      target: values.target,
      jobs: Number(values.jobs),
      secondsUninterrupted: whole / 1000,
      killsBeforeAnyPiece: done.filter((byteLength) => byteLength === 0).length,
      sha256: wanted,
      node: process.version,
    }),
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
