/**
 * Uploads to a real S3 server: one that REQUANT_S3 names as an address with a folder for tests, such as s3://bucket/requant-tests, with
 * its AWS_… variables beside it. The server's own rules hold: no part but the last has fewer than 5 MiB.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openModel, parseTarget, planConversion, type RunOptions, runPlan } from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { s3Place } from "../src/s3/address.ts";
import { s3OutputStore } from "../src/s3/output.ts";
import { requant } from "./run.ts";

const address = process.env["REQUANT_S3"] ?? "";
const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-s3-server-"));
const PART = 5 * 1024 * 1024;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function upload(options: RunOptions): Promise<void> {
  const model = await openModel({ store: directoryStore(hf) });
  const plan = await planConversion(model, parseTarget("gguf:f32"), { outputName: "m" });
  const place = s3Place(`${address}/`, process.env, () => false);
  const { signal } = options;
  const store = s3OutputStore(place, join(folder, "uploads"), {
    partByteLength: PART,
    ...(signal === undefined ? {} : { signal }),
  });
  await runPlan(plan, model, store, { overwrite: true, bandByteLength: 256 * 1024, ...options }).finally(() =>
    model.close(),
  );
}

describe.skipIf(address === "")("a real S3 server (REQUANT_S3 names one)", () => {
  it("takes a file in parts, is asked for them after an interruption, and has the bytes of a local conversion", async () => {
    const local = join(folder, "m.gguf");
    expect(await requant("convert", hf, local, "--to", "gguf:f32")).toMatchObject({ status: 0 });
    const abort = new AbortController();
    const onProgress: RunOptions["onProgress"] = ({ done, total }) => {
      if (done > 0.8 * total) abort.abort();
    };
    await expect(upload({ signal: abort.signal, onProgress })).rejects.toThrow(/abort/i);
    await upload({ resume: true });
    const verified = await requant("hash", `${address}/m.gguf`, "--json");
    expect(verified.status, verified.err).toBe(0);
    const expected = await requant("hash", local, "--json");
    const [found, wanted] = [verified, expected].map(({ out }) => JSON.parse(out).files[0].sha256);
    expect(found).toBe(wanted);
  }, 120_000);

  it("takes the parts of a saved plan, and has the bytes of a local conversion", async () => {
    const [local, plan] = [join(folder, "parts.gguf"), join(folder, "parts.json")];
    expect(await requant("convert", hf, local, "--to", "gguf:f32")).toMatchObject({ status: 0 });
    const output = `${address}/parts/m.gguf`;
    const args = ["convert", hf, output, "--to", "gguf:f32", "--plan-out", plan, "--overwrite", "--quiet"];
    expect(await requant(...args)).toMatchObject({ status: 0 });
    for (const part of ["2/2", "1/2", "2/2"]) {
      const { status, err } = await requant("run", plan, "--part", part);
      expect(status, err).toBe(0);
    }
    expect(await requant("finish", plan, "--quiet")).toMatchObject({ status: 0, err: "" });
    expect((await requant("finish", plan)).out).toContain("finished already");
    const [found, wanted] = [await requant("hash", output, "--json"), await requant("hash", local, "--json")];
    expect(JSON.parse(found.out).files[0].sha256).toBe(JSON.parse(wanted.out).files[0].sha256);
    // an abandoned plan leaves nothing: the next one starts anew
    expect(await requant(...args)).toMatchObject({ status: 0 });
    expect(await requant("run", plan, "--part", "1/2")).toMatchObject({ status: 0 });
    expect(await requant("finish", plan, "--abort", "--quiet")).toMatchObject({ status: 0, err: "" });
    expect(await requant("run", plan, "--part", "1/2")).toMatchObject({ status: 4 });
  }, 120_000);

  it("takes a directory of small files, and refuses what is there", async () => {
    const output = `${address}/dir`;
    const args = ["--to", "safetensors:f16", "--shard-size", "2MB"];
    const { status, err } = await requant("convert", hf, output, ...args, "--overwrite");
    expect(status, err).toBe(0);
    expect(await requant("verify", `${output}/`, hf, "--tolerance", "0.001")).toMatchObject({ status: 0 });
    expect(await requant("convert", hf, output, ...args)).toMatchObject({ status: 4 });
  }, 120_000);
});
