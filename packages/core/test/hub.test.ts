/** The hub: addresses as people paste them, listings, refusals. Oracle: a stand-in hub, and the forms that docs give. */
import { isCodecError, UsageError } from "@requant/core";
import { openHub, parseHubAddress } from "@requant/core/hub";
import { afterEach, describe, expect, it } from "vitest";
import {
  commitOf,
  GOOD_TOKEN,
  POOR_TOKEN,
  type StandInHub,
  type StandInRepository,
  standInHub,
} from "../../../fixtures/stand-in-hub.ts";

describe("addresses", () => {
  it.each([
    ["owner/repo", "owner/repo", undefined, undefined, undefined],
    ["owner/repo:Q4_K_M", "owner/repo", undefined, "Q4_K_M", undefined],
    ["owner/repo@v2", "owner/repo", "v2", undefined, undefined],
    ["hf:owner/repo", "owner/repo", undefined, undefined, undefined],
    ["hf:owner/repo@v2:q8_0", "owner/repo", "v2", "q8_0", undefined],
    ["hf:owner/repo@v2/a/m.gguf", "owner/repo", "v2", undefined, "a/m.gguf"],
    ["hf:owner/repo/m.gguf", "owner/repo", undefined, undefined, "m.gguf"],
    ["hf:owner/repo:UD-Q4_K_XL/UD", "owner/repo", undefined, "UD-Q4_K_XL", "UD"],
    ["hf:owner/repo@refs/pr/3/m.gguf", "owner/repo", "refs/pr/3", undefined, "m.gguf"],
    ["hf:owner/repo@refs%2Fpr%2F3", "owner/repo", "refs/pr/3", undefined, undefined],
    ["hf://owner/repo/a/", "owner/repo", undefined, undefined, "a"],
    ["hf.co/owner/repo:Q4_K_M", "owner/repo", undefined, "Q4_K_M", undefined],
    ["huggingface.co/owner/repo/tree/main/sub", "owner/repo", "main", undefined, "sub"],
    ["https://huggingface.co/owner/repo", "owner/repo", undefined, undefined, undefined],
    ["https://huggingface.co/owner/repo/?library=gguf", "owner/repo", undefined, undefined, undefined],
    ["https://huggingface.co/owner/repo.git", "owner/repo", undefined, undefined, undefined],
    ["https://huggingface.co/owner/Model.gguf", "owner/Model.gguf", undefined, undefined, undefined],
    ["https://hf.co/owner/repo/tree/v1.0", "owner/repo", "v1.0", undefined, undefined],
    [
      "https://huggingface.co/owner/repo/blob/main/a/m%20x.gguf",
      "owner/repo",
      "main",
      undefined,
      "a/m x.gguf",
    ],
    [
      "https://huggingface.co/owner/repo/resolve/main/m.gguf?download=true",
      "owner/repo",
      "main",
      undefined,
      "m.gguf",
    ],
    [
      "https://huggingface.co/owner/repo/blob/refs%2Fpr%2F1/m.gguf",
      "owner/repo",
      "refs/pr/1",
      undefined,
      "m.gguf",
    ],
    [
      "https://huggingface.co/owner/repo?show_file_info=m-Q4_K_M.gguf",
      "owner/repo",
      undefined,
      undefined,
      "m-Q4_K_M.gguf",
    ],
    ["https://mirror.example/hub/owner/repo/tree/main", "owner/repo", "main", undefined, undefined],
  ])("%s", (text, repository, revision, quantization, path) => {
    expect(parseHubAddress(text, { endpoint: "https://mirror.example/hub/" })).toEqual({
      repository,
      revision,
      quantization,
      path,
    });
  });

  it.each([
    "model.gguf",
    "folder/model.gguf",
    "./folder",
    "a/b/c",
    "C:\\models\\x",
    "/owner/repo",
    "https://example.org/owner/repo",
    "https://huggingface.co/docs/hub",
    "https://huggingface.co/owner",
    "https://mirror.example/owner/repo",
    "https://mirror.example/hub/owner/model.gguf",
    "ollama:owner/repo",
    "s3://bucket/key",
  ])("%s is none", (text) => {
    expect(parseHubAddress(text, { endpoint: "https://mirror.example/hub" })).toBeUndefined();
  });

  it.each([
    ["hf:owner", /Write hf:owner\/repo/],
    ["hf:../repo", /Write hf:owner\/repo/],
    ["hf:owner/repo@", /Write hf:owner\/repo/],
    ["hf:owner/repo:", /Write hf:owner\/repo/],
    ["https://huggingface.co/datasets/owner/repo", /Give the repository of a model/],
    ["https://huggingface.co/owner/repo/discussions/4", /^Write hf:owner\/repo\.$/],
    ["https://user:hunter2@huggingface.co/owner/repo?token=hunter2", /access token/],
  ])("%s is refused with the right form", (text, hint) => {
    let refusal: unknown;
    try {
      parseHubAddress(text);
    } catch (error) {
      refusal = error;
    }
    if (!(refusal instanceof UsageError)) throw new Error("no UsageError");
    expect(refusal.hint).toMatch(hint);
    expect(`${refusal.message}${refusal.hint}`).not.toContain("hunter2");
  });
});

describe("a repository", () => {
  const weights = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) % 251);
  const config = new TextEncoder().encode('{"model_type":"llama"}');
  const files = {
    "config.json": config,
    "README.md": config,
    "model.safetensors": weights,
    "sub/a.gguf": weights,
    "sub/b.json": config,
  };
  const open: StandInRepository = { files, revisions: ["main", "refs/pr/1"] };
  let hub: StandInHub | undefined;
  afterEach(() => {
    hub?.close();
    hub = undefined;
  });

  async function started(repository: StandInRepository = open): Promise<StandInHub> {
    hub = await standInHub({ "owner/repo": repository });
    return hub;
  }

  async function refusalOf(work: Promise<unknown>): Promise<{ reason: string | undefined; text: string }> {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!isCodecError(error)) throw new Error(`no refusal: ${String(error)}`);
    return { reason: error.reason, text: `${error.message} ${error.hint}` };
  }

  it("is listed page by page at one commit, and read by ranges", async () => {
    const { endpoint, paths } = await started();
    const repository = await openHub({ endpoint, repository: "owner/repo", revision: "refs/pr/1" });
    const commit = commitOf("owner/repo");
    expect(repository.commit).toBe(commit);
    expect(repository.files?.map(({ path }) => path)).toEqual(Object.keys(files));
    expect(repository.files?.find(({ path }) => path === "sub/a.gguf")).toMatchObject({
      byteLength: 200_000,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const store = repository.store();
    expect(await store.list()).toEqual(["config.json", "README.md", "model.safetensors"]);
    expect(await store.list("sub")).toEqual(["a.gguf", "b.json"]);
    const source = await store.open("model.safetensors");
    expect(await source?.read(100, 200)).toEqual(weights.slice(100, 200));
    expect(await source?.read(150_000, 150_100)).toEqual(weights.slice(150_000, 150_100));
    expect(await store.open("no-such-file")).toBeUndefined();
    const below = repository.store("sub");
    expect(await below.list()).toEqual(["a.gguf", "b.json"]);
    expect((await below.open("b.json"))?.byteLength).toBe(config.length);
    const ofHub = paths().filter((path) => !path.includes("signature"));
    expect(ofHub.slice(0, 4)).toEqual([
      "/api/models/owner/repo/revision/refs%2Fpr%2F1",
      `/api/models/owner/repo/tree/${commit}?recursive=true`,
      `/api/models/owner/repo/tree/${commit}?recursive=true&cursor=3`,
      `/owner/repo/resolve/${commit}/model.safetensors bytes=0-65535`,
    ]);
    // a file that is not listed is not asked for
    expect(ofHub.join()).not.toContain("no-such-file");
  });

  it("is read with a token that goes to the hub alone", async () => {
    const { endpoint, asked } = await started({ files, access: "private" });
    const repository = await openHub({ endpoint, repository: "owner/repo", token: GOOD_TOKEN });
    const source = await repository.store().open("model.safetensors");
    expect(await source?.read(0, 10)).toEqual(weights.slice(0, 10));
    const tokensOf = (server: string): unknown[] =>
      asked.filter((each) => each.server === server).map(({ headers }) => headers.authorization);
    expect(new Set(tokensOf("hub"))).toEqual(new Set([`Bearer ${GOOD_TOKEN}`]));
    expect(tokensOf("storage")).toEqual([undefined]);
  });

  it("is asked again where its storage refuses an address that has expired, as 401 or 403", async () => {
    const server = await started();
    const { endpoint } = server;
    const repository = await openHub({ endpoint, repository: "owner/repo", retries: 0 });
    const source = await repository.store().open("model.safetensors");
    for (const status of [401, 403]) {
      server.asked.length = 0;
      server.fault = (_, response, count) => {
        if (count === 1) response.writeHead(status).end();
        return count === 1;
      };
      expect(await source?.read(150_000, 150_100)).toEqual(weights.slice(150_000, 150_100));
      expect(server.asked.map((each) => each.server)).toEqual(["storage", "hub", "storage"]);
    }
  });

  it("of which a server lists folders without end is refused", async () => {
    const server = await started();
    server.fault = ({ path }, response) => {
      if (!path.includes("/tree/")) return false;
      response.setHeader("link", '<https://elsewhere.invalid/x?cursor=1>; rel="next"');
      response.end(JSON.stringify(Array(70_000).fill({ type: "directory", path: "a" })));
      return true;
    };
    const { text } = await refusalOf(openHub({ endpoint: server.endpoint, repository: "owner/repo" }));
    expect(text).toContain("more than 200000 files and folders");
    expect(server.asked).toHaveLength(4);
  });

  it("a worker opens the same files from its address", async () => {
    const { endpoint } = await started({ files, access: "gated" });
    const repository = await openHub({ endpoint, repository: "owner/repo", token: GOOD_TOKEN, retries: 1 });
    expect(repository.store("sub").address).toEqual({
      kind: "url",
      url: `${endpoint}/owner/repo/resolve/${commitOf("owner/repo")}/sub/`,
      options: {
        headers: { authorization: `Bearer ${GOOD_TOKEN}` },
        retries: 1,
        files: ["a.gguf", "b.json"],
      },
    });
  });

  const access = (access: "gated" | "private" | "disabled"): StandInRepository => ({ files, access });
  it.each<
    [string, StandInRepository, { repository?: string; revision?: string; token?: string }, string, RegExp]
  >([
    [
      "gated",
      access("gated"),
      {},
      "gated",
      /Accept the conditions on http.*\/owner\/repo, then give an access token/,
    ],
    ["gated, not granted", access("gated"), { token: POOR_TOKEN }, "gated", /Ask for access on http/],
    [
      "private",
      access("private"),
      {},
      "repository-not-found",
      /no public repository owner\/repo.*access token/,
    ],
    [
      "private, other account",
      access("private"),
      { token: POOR_TOKEN },
      "repository-not-found",
      /may not read it/,
    ],
    [
      "missing",
      open,
      { repository: "owner/other" },
      "repository-not-found",
      /no public repository owner\/other/,
    ],
    ["missing revision", open, { revision: "v9" }, "revision-not-found", /no branch, tag or commit "v9"/],
    ["bad token", open, { token: "hf_old" }, "bad-token", /settings\/tokens/],
    ["disabled", access("disabled"), {}, "repository-disabled", /has disabled/],
  ])("%s: refused with its own message", async (_, served, asking, reason, text) => {
    const { endpoint } = await started(served);
    const refusal = await refusalOf(
      openHub({ endpoint, repository: "owner/repo", ...asking }).then((repository) =>
        repository.store().open("model.safetensors"),
      ),
    );
    expect(refusal.reason).toBe(reason);
    expect(refusal.text).toMatch(text);
    expect(refusal.text).not.toMatch(/hf_/);
  });

  it("is asked again after 429, 5xx and cut answers", async () => {
    const server = await started();
    const statuses = [429, 503, 500];
    server.fault = (_, response, count) => {
      const status = statuses[count - 1];
      if (status !== undefined) response.writeHead(status, { "retry-after": "0" }).end();
      else if (count === 4) {
        response.writeHead(200, { "content-length": 1000 });
        response.write("[{");
        response.destroy();
      }
      return count <= 4;
    };
    const { endpoint } = server;
    const repository = await openHub({ endpoint, repository: "owner/repo", retries: 4 });
    expect(repository.files).toHaveLength(5);
    expect(server.asked).toHaveLength(7);
  });

  it.each([
    { "retry-after": "280" },
    { ratelimit: '"api";r=0;t=280', "ratelimit-policy": '"fixed window";"api";q=500;w=300' },
  ])("a server that asks to wait for long is reported with the time: %j", async (headers) => {
    const server = await started();
    server.fault = (_, response) => {
      response.writeHead(429, { ...headers }).end();
      return true;
    };
    const { text } = await refusalOf(openHub({ endpoint: server.endpoint, repository: "owner/repo" }));
    expect(text).toContain("It asks to wait 280 s.");
    expect(server.asked).toHaveLength(1);
  });

  it.each([
    ["a page in place of JSON", 200, "<!doctype html>", /is not JSON/],
    ["JSON without a commit", 200, '{"sha":"../x"}', /has no commit/],
    ["another status", 204, "", /has the status 204/],
  ])("%s is refused", async (_, status, body, text) => {
    const server = await started();
    server.fault = (_asked, response) => {
      response.writeHead(status).end(body);
      return true;
    };
    expect((await refusalOf(openHub({ endpoint: server.endpoint, repository: "owner/repo" }))).text).toMatch(
      text,
    );
  });

  it.each(["not a url", "ftp://host", "https://user:hunter2@host"])(
    "an endpoint that cannot be asked is refused: %s",
    async (endpoint) => {
      const { text } = await refusalOf(openHub({ endpoint, repository: "owner/repo" }));
      expect(text).toMatch(/URL/);
      expect(text).not.toContain("hunter2");
    },
  );

  it("on a server without the API is read without a listing", async () => {
    const server = await started();
    server.fault = ({ path }, response) => {
      if (!path.startsWith("/api/")) return false;
      response.writeHead(404).end();
      return true;
    };
    const { store, files: listed } = await openHub({ endpoint: server.endpoint, repository: "owner/repo" });
    expect(listed).toBeUndefined();
    expect(await store().list()).toBeUndefined();
    expect((await store().open("config.json"))?.byteLength).toBe(config.length);
    expect(await store().open("no-such-file")).toBeUndefined();
  });
});
