/** The examples of every command's help run, in their order. Oracle: their exit status, and what the next example finds. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisProgram, startRedis } from "../../../fixtures/redis-server.ts";
import { type Example, examplesOf } from "../src/examples.ts";
import { main } from "../src/main.ts";
import { requant } from "./run.ts";

const bin = resolve(import.meta.dirname, "../src/bin.ts");
const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv");
const folder = mkdtempSync(join(tmpdir(), "requant-examples-"));
/** Words of examples that are files and folders. */
const PATHS = /^(?:\.\/[\w-]+|(?:[\w-]+\/)?[\w-]+\.(?:gguf|json|txt|npy|safetensors|jinja))$/;
/** Model names that only look like files. */
const NAMES: readonly string[] = ["Llama-3.1-8B-Instruct-Q4_K_M.gguf"];

/** The words of a line, as a shell hands them over; files are in the folder of this test. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:'[^']*'|[^\s'])+/g) ?? [];
  return words.slice(1).map((word) => {
    const plain = word.replaceAll("'", "");
    const [, before = "", path = plain] = /^(.*=@)(.*)$/.exec(plain) ?? [];
    return NAMES.includes(plain) || !PATHS.test(path) ? plain : before + join(folder, path);
  });
}

/** An adapter of rank 1 of the bundled model, all zeros. */
function writeAdapter(path: string): void {
  const prefix = "base_model.model.model.layers.0.self_attn.q_proj";
  const header = JSON.stringify({
    [`${prefix}.lora_A.weight`]: { dtype: "F32", shape: [1, 256], data_offsets: [0, 1024] },
    [`${prefix}.lora_B.weight`]: { dtype: "F32", shape: [256, 1], data_offsets: [1024, 2048] },
  });
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(header.length), true);
  mkdirSync(path);
  const bytes = Buffer.concat([new Uint8Array(length.buffer), Buffer.from(header), new Uint8Array(2048)]);
  writeFileSync(join(path, "adapter_model.safetensors"), bytes);
  const config = { peft_type: "LORA", r: 1, lora_alpha: 1, target_modules: ["q_proj"] };
  writeFileSync(join(path, "adapter_config.json"), JSON.stringify(config));
}

beforeAll(() => {
  cpSync(join(kjv, "hf"), join(folder, "model"), { recursive: true });
  writeFileSync(join(folder, "corpus.txt"), readFileSync(join(kjv, "heldout.txt"), "utf8").slice(0, 8000));
  writeFileSync(join(folder, "template.jinja"), "{{ messages[0].content }}");
  writeAdapter(join(folder, "adapter"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Commands that are not run line by line with the others. */
const APART: readonly string[] = ["fleet", "ui"];

const { commands }: { commands: { name: string; options: { name: string }[]; examples: Example[] }[] } =
  JSON.parse((await requant("help", "--json")).out);

it("every command has examples, in its help, too", async () => {
  expect(commands.length).toBeGreaterThan(20);
  for (const { name, examples } of commands) {
    expect({ name, examples: examples.length }).not.toEqual({ name, examples: 0 });
    const { out } = await requant(name, "--help");
    for (const { line } of examples) expect(out).toContain(`\n  ${line}\n`);
  }
});

describe("the examples run", () => {
  // those that make files stand before those that need them
  const first = ["convert", "run", "finish"];
  const rest = commands.map(({ name }) => name).filter((name) => ![...first, ...APART].includes(name));
  const lines = [...first, ...rest].flatMap((name) => examplesOf(name).map(({ line }) => line));

  it.each(lines)("%s", async (line) => {
    if (line.startsWith("requant evaluate")) expect(readdirSync(folder)).toContain("model.gguf");
    const { status, err } = await requant(...wordsOf(line));
    expect({ line, status, err }).toMatchObject({ line, status: 0 });
  });

  it("and have made what they say", () => {
    const made = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const name of ["made/model.gguf", "merged.gguf", "q.npy", "one.gguf", "report.json", "imatrix.gguf"])
      expect(made).toContain(name);
    expect(readdirSync(join(folder, "out")).sort()).toEqual(["model-Q4_K_M.gguf", "model-Q5_K_M.gguf"]);
  });

  it("requant ui, which Ctrl-C ends", async () => {
    const [example] = examplesOf("ui");
    let out = "";
    const status = await main(wordsOf(example?.line ?? ""), {
      out: {
        write(text) {
          out += text;
          setTimeout(() => process.emit("SIGINT"), 10);
        },
      },
      err: { write: () => {} },
    });
    expect({ status, out }).toEqual({
      status: 0,
      out: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\//),
    });
  });
});

describe.skipIf(redisProgram === undefined)(
  "the examples of fleet (skipped: there is no redis-server)",
  () => {
    let redis: RedisServer;
    beforeAll(async () => {
      mkdirSync(join(folder, "redis"));
      redis = await startRedis(join(folder, "redis"));
      rmSync(join(folder, "made"), { recursive: true, force: true });
      rmSync(join(folder, "plan.json"), { force: true });
      const line = examplesOf("convert").find((example) => example.line.includes("--plan-out"))?.line ?? "";
      expect(await requant(...wordsOf(line))).toMatchObject({ status: 0 });
    });
    afterAll(async () => {
      await redis.kill();
    });

    it.each(examplesOf("fleet").map(({ line }) => line))("%s", async (line) => {
      const args = ["--conditions=@requant/source", "--no-warnings", bin, ...wordsOf(line)];
      const env = { ...process.env, REDIS_URL: redis.url };
      await expect(promisify(execFile)(process.execPath, args, { env })).resolves.toHaveProperty("stdout");
    });
  },
);
