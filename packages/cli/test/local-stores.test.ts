/** Models in the stores of Ollama and LM Studio. Oracle: stores laid out as their docs say, and the same file itself. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { tinyGguf } from "../../../fixtures/tiny-gguf.ts";
import { requant } from "./run.ts";

vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  homedir: vi.fn(),
}));

const folder = mkdtempSync(join(tmpdir(), "requant-stores-"));
const environment = process.env;
const model = tinyGguf();
const blob = createHash("sha256").update(model).digest("hex");
let home: string;

function put(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

beforeAll(() => {
  process.env = { ...environment };
  delete process.env["OLLAMA_MODELS"];
});
beforeEach(() => {
  home = mkdtempSync(join(folder, "home-"));
  vi.mocked(homedir).mockReturnValue(home);
  delete process.env["OLLAMA_MODELS"];
});
afterAll(() => {
  process.env = environment;
  rmSync(folder, { recursive: true, force: true });
});

async function tensorHash(argument: string): Promise<unknown> {
  const { status, out, err } = await requant("hash", argument, "--values", "--json");
  expect(status, err).toBe(0);
  return JSON.parse(out).values.sha256;
}

async function refused(argument: string): Promise<{ status: number; message: string; hint: string }> {
  const { status, err } = await requant("inspect", argument, "--json");
  return { status, ...JSON.parse(err).error };
}

describe("Ollama", () => {
  const layer = (kind: string, digest = `sha256:${blob}`): object => ({
    mediaType: `application/vnd.ollama.image.${kind}`,
    digest,
    size: model.length,
  });

  function store(models: string, name: string, layers: readonly object[]): void {
    put(join(models, "manifests", ...name.split("/")), JSON.stringify({ schemaVersion: 2, layers }));
    put(join(models, "blobs", `sha256-${blob}`), model);
  }

  it.each([
    ["ollama:llama3", "registry.ollama.ai/library/llama3/latest"],
    ["ollama:llama3:8b", "registry.ollama.ai/library/llama3/8b"],
    ["ollama:me/mine:v1", "registry.ollama.ai/me/mine/v1"],
    ["ollama:hf.co/owner/repo:Q4_K_M", "hf.co/owner/repo/Q4_K_M"],
  ])("%s is the file of manifests/%s", async (argument, name) => {
    const models = join(home, ".ollama", "models");
    const config = { mediaType: "application/vnd.ollama.image.template", digest: `sha256:${"0".repeat(64)}` };
    store(models, name, [layer("model"), config]);
    put(join(home, "same.gguf"), model);
    expect(await tensorHash(argument)).toBe(await tensorHash(join(home, "same.gguf")));
  });

  it("OLLAMA_MODELS names another folder", async () => {
    process.env["OLLAMA_MODELS"] = join(home, "elsewhere");
    store(join(home, "elsewhere"), "registry.ollama.ai/library/x/latest", [layer("model")]);
    expect(await tensorHash("ollama:x")).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<[string, string, readonly object[], number, RegExp]>([
    ["ollama:llama3:70b", "llama3/8b", [layer("model")], 4, /^The tags here are 8b\.$/],
    ["ollama:lama3", "llama3/8b", [layer("model")], 4, /ollama pull lama3:latest/],
    [
      "ollama:two",
      "two/latest",
      [layer("model"), layer("model")],
      3,
      /repository that the model was made from/,
    ],
    ["ollama:tensors", "tensors/latest", [layer("tensor")], 3, /repository that the model was made from/],
    ["ollama:up", "up/latest", [layer("model", "sha256:../../x")], 3, /ollama pull/],
    [
      "ollama:gone",
      "gone/latest",
      [layer("model", `sha256:${"1".repeat(64)}`)],
      4,
      /ollama pull gone:latest/,
    ],
    ["ollama:../../x", "x/latest", [layer("model")], 2, /^Write ollama:NAME/],
  ])("%s beside %s is refused", async (argument, name, layers, status, hint) => {
    store(join(home, ".ollama", "models"), `registry.ollama.ai/library/${name}`, layers);
    expect(await refused(argument)).toMatchObject({ status, hint: expect.stringMatching(hint) });
  });

  it("a manifest that is no JSON is refused", async () => {
    put(join(home, ".ollama", "models", "manifests", "registry.ollama.ai", "library", "x", "latest"), "{");
    expect(await refused("ollama:x")).toMatchObject({ status: 3, message: "This is no manifest of Ollama." });
  });
});

describe("LM Studio", () => {
  const files = ["owner/repo/m-Q4_K_M.gguf", "owner/repo/m-Q8_0.gguf", "owner/repo/mmproj-F16.gguf"];

  it.each([
    ["the usual folder", ".lmstudio/models", {}],
    ["the older folder", ".cache/lm-studio/models", {}],
    ["the home that the pointer names", "far/models", { ".lmstudio-home-pointer": "far\n" }],
    ["the folder that the settings name", "big", { ".lmstudio/settings.json": "big" }],
  ])("is read in %s", async (_, models, texts) => {
    for (const file of files) put(join(home, models, file), model);
    for (const [name, text] of Object.entries(texts)) {
      const path = join(home, text.trim());
      put(join(home, name), name.endsWith(".json") ? JSON.stringify({ downloadsFolder: path }) : `${path}\n`);
    }
    put(join(home, "same.gguf"), model);
    const same = await tensorHash(join(home, "same.gguf"));
    expect(await tensorHash("lmstudio:owner/repo:Q4_K_M")).toBe(same);
    expect(await tensorHash("lmstudio:owner/repo/m-Q8_0.gguf")).toBe(same);
  });

  it("lists its models where several are meant, and names near ones", async () => {
    for (const file of files) put(join(home, ".lmstudio", "models", file), model);
    expect(await refused("lmstudio:owner/repo")).toMatchObject({
      status: 2,
      hint: "Name one of them: lmstudio:owner/repo:Q4_K_M, lmstudio:owner/repo:Q8_0.",
    });
    expect((await refused("lmstudio:owner/rebo")).message).toContain("owner/repo");
    expect(await refused("lmstudio:owner/repo@main")).toMatchObject({ status: 2 });
  });

  it("a folder of it with one model and its vision part is read as any folder", async () => {
    for (const name of ["m-Q4_K_M.gguf", "mmproj-F16.gguf"]) put(join(home, "owner", "repo", name), model);
    expect(await tensorHash(join(home, "owner", "repo"))).toMatch(/^[0-9a-f]{64}$/);
  });
});
