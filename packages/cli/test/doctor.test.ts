import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("doctor", () => {
  it("says that nothing is wrong, with status 0", async () => {
    const { status, out } = await requant("doctor", hf);
    expect(status).toBe(0);
    expect(out).toMatch(/^\S.*: 0 errors, 0 warnings \(\d+ files, \d+ tensors; for vllm, transformers\)\n$/);
  });

  it("says everything that is wrong, with status 1, for people and for scripts", async () => {
    const broken = join(folder, "broken");
    cpSync(hf, broken, { recursive: true });
    truncateSync(join(broken, "model.safetensors"), 1_000_000);
    writeFileSync(join(broken, "tokenizer.json"), "version https://git-lfs.github.com/spec/v1\n");
    writeFileSync(join(broken, "pytorch_model.bin"), "PK\u0003\u0004");
    const people = await requant("doctor", broken);
    expect(people.status).toBe(1);
    expect(people.out).toMatch(/^error {2}truncated {2}/m);
    expect(people.out).toMatch(
      /^error {2}lfs-pointer {2}.*tokenizer\.json.*\n {2}Fetch the real file: git lfs pull\.$/m,
    );
    expect(people.out).toMatch(/^note {2}pickle-beside/m);
    const scripts = await requant("doctor", broken, "--json");
    expect(scripts.status).toBe(1);
    const report = JSON.parse(scripts.out);
    expect(report).toMatchObject({ ok: false, model: broken });
    for (const finding of report.findings) {
      expect(finding).toMatchObject({
        code: expect.any(String),
        severity: expect.stringMatching(/^(error|warning|note)$/),
        message: expect.any(String),
        remedy: expect.any(String),
      });
    }
  });

  it("--quick reads no weights", async () => {
    const { status, out } = await requant("doctor", hf, "--quick", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(out).examined).toMatchObject({ weights: false });
  });

  it("--for names the program that is to run the model", async () => {
    const { status, out } = await requant("doctor", hf, "--for", "llama.cpp", "--json");
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      runtimes: ["llama.cpp"],
      findings: [{ code: "unknown-to-runtime", severity: "error" }],
    });
    const wrong = await requant("doctor", hf, "--for", "ollama");
    expect(wrong.status).toBe(2);
    expect(wrong.err).toContain("llama.cpp, vllm, transformers, exllamav2");
  });

  it("a place where nothing is has status 4", async () => {
    const { status, err } = await requant("doctor", join(folder, "nothing.gguf"), "--json");
    expect(status).toBe(4);
    expect(JSON.parse(err).error.code).toBe("IO");
  });
});
