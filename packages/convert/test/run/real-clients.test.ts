/** The files we write, opened by other people's programs: llama.cpp, @huggingface/gguf, @huggingface/hub. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gguf as parseGguf } from "@huggingface/gguf";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { greedy, loadLlama, perplexity, withModel } from "../../../../fixtures/llama-client.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures/kjv");
const golden = process.env["REQUANT_GOLDEN"];
const folder = mkdtempSync(join(tmpdir(), "requant-clients-"));
const heldout = readFileSync(join(fixtures, "heldout.txt"), "utf8");
const client = await loadLlama();

async function convert(
  source: string,
  directory: string,
  target: string,
  outputName?: string,
): Promise<void> {
  const model = await openModel({ store: directoryStore(source) });
  const plan = await planConversion(model, parseTarget(target), { outputName });
  await runPlan(plan, model, directoryStore(directory));
  await model.close();
}

beforeAll(async () => {
  await convert(join(fixtures, "hf"), folder, "gguf:bf16", "BF16.gguf");
  await convert(join(fixtures, "hf"), folder, "gguf:q8_0", "Q8_0.gguf");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface ReferenceFile {
  readonly target: string;
  readonly imatrix: boolean;
  readonly perplexity: number;
  readonly tensors: readonly (readonly [name: string, type: string, sha256: string])[];
}

const reference: { files: readonly ReferenceFile[] } = JSON.parse(
  readFileSync(join(fixtures, "reference.json"), "utf8"),
);

function referenceFor(target: string): ReferenceFile {
  const found = reference.files.find((file) => file.target === target && !file.imatrix);
  if (found === undefined) throw new Error(`no reference for ${target}`);
  return found;
}

describe.skipIf("reason" in client)(
  `llama.cpp${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(["BF16", "Q8_0"])("runs our %s file; its perplexity is the reference's", async (target) => {
      const measured = await withModel(llama, join(folder, `${target}.gguf`), (model) =>
        perplexity(model, heldout),
      );
      const expected = referenceFor(target).perplexity;
      console.log(
        `perplexity of ${target}: ${measured.toFixed(4)} (llama-perplexity on llama.cpp's file: ${expected})`,
      );
      // another build of llama.cpp, other sums: the same to a tenth of a percent
      expect(Math.abs(measured / expected - 1)).toBeLessThan(1e-3);
    });

    it.skipIf(golden === undefined).each(["BF16", "Q8_0"])(
      "continues our %s file as the reference file, with the same probabilities (skipped where REQUANT_GOLDEN is unset)",
      async (target) => {
        const prompts = ["In the beginning", "And the LORD said unto", "Blessed are the"];
        const run = (path: string) =>
          withModel(llama, path, async (model) => {
            const answers = [];
            for (const prompt of prompts) answers.push(await greedy(model, prompt, 24));
            return answers;
          });
        const ours = await run(join(folder, `${target}.gguf`));
        const theirs = await run(join(golden ?? "", `kjv/gguf/kjv-${target}.gguf`));
        expect(ours).toEqual(theirs);
      },
    );

    it("tokenizes 2,000 lines as the tokenizer.json that came back does", async () => {
      const back = join(folder, "hf-from-gguf");
      const model = await openModel({ store: directoryStore(folder), file: "BF16.gguf" });
      const plan = await planConversion(model, parseTarget("safetensors:bf16"));
      await runPlan(plan, model, directoryStore(back));
      await model.close();

      const { Tokenizer } = await import("@huggingface/tokenizers");
      const read = async (name: string) => JSON.parse(await readFile(join(back, name), "utf8"));
      const tokenizer = new Tokenizer(await read("tokenizer.json"), await read("tokenizer_config.json"));
      const lines = heldout.split("\n").filter((line) => line.trim() !== "");
      const odd = [
        "  two  spaces",
        "\ttab",
        "naïve café — ‘quoted’",
        "日本語 текст",
        "🙂🙂 x=1;//c",
        "1234567",
        "don't I'LL we'Ve",
      ];
      const corpus = Array.from({ length: 2000 }, (_, i) =>
        i % 20 === 19
          ? `${odd[Math.floor(i / 20) % odd.length]} ${i}`
          : `${lines[i % lines.length]}`.slice(i >= lines.length ? i % 17 : 0),
      );
      await withModel(llama, join(folder, "BF16.gguf"), async (loaded) => {
        for (const line of corpus) {
          const ids = tokenizer.encode(line, { add_special_tokens: false }).ids;
          expect(ids, line).toEqual([...loaded.tokenize(line, false)]);
        }
      });
    });
  },
);

describe("@huggingface/gguf", () => {
  it.each(["BF16", "Q8_0"])("reads the same facts from our %s file", async (target) => {
    const parsed = await parseGguf(join(folder, `${target}.gguf`), { allowLocalFile: true });
    const metadata: Record<string, unknown> = { ...parsed.metadata };
    expect(metadata["general.architecture"]).toBe("llama");
    expect(metadata["llama.block_count"]).toBe(3);
    expect(metadata["llama.attention.head_count_kv"]).toBe(2);
    expect(metadata["tokenizer.ggml.tokens"]).toHaveLength(1024);
    const names = parsed.tensorInfos.map(({ name }) => name).sort();
    expect(names).toEqual(
      referenceFor(target)
        .tensors.map(([name]) => name)
        .sort(),
    );
  });
});

describe("@huggingface/hub", () => {
  it("reads the headers of the safetensors shards we write", async () => {
    const model = await openModel({ store: directoryStore(folder), file: "BF16.gguf" });
    const plan = await planConversion(model, parseTarget("safetensors:bf16"), { shardSize: 1_500_000 });
    const out = join(folder, "shards");
    await runPlan(plan, model, directoryStore(out));
    await model.close();

    const server = createServer(async (request, response) => {
      const path = join(
        out,
        decodeURIComponent((request.url ?? "").split("/").at(-1) ?? "").replace(/\?.*$/, ""),
      );
      if (!existsSync(path)) {
        response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
        return;
      }
      const bytes = await readFile(path);
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
      const start = Number(range?.[1] ?? 0);
      const end = Math.min(Number(range?.[2] ?? bytes.length - 1) + 1, bytes.length);
      response
        .writeHead(range === null ? 200 : 206, {
          etag: '"fixed"',
          "content-length": end - start,
          "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
        })
        .end(request.method === "HEAD" ? undefined : bytes.subarray(start, end));
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    try {
      const parsed = await parseSafetensorsMetadata({
        repo: "kjv/kjv",
        computeParametersCount: true,
        hubUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      });
      expect(parsed.sharded).toBe(true);
      expect(parsed.filepaths.length).toBeGreaterThan(2);
      expect(parsed.parameterCount).toEqual({ BF16: 2_295_552 });
    } finally {
      server.close();
    }
  });
});
