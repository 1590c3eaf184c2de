/** The download cache of `hf`. Oracle: its layout as huggingface_hub documents it, @huggingface/hub, and the files themselves. */
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { scanCacheDir } from "@huggingface/hub";
import { describe, expect, it } from "vitest";
import { commitOf, gitHashOf, sha256Of } from "../../../fixtures/stand-in-hub.ts";
import {
  cacheOf,
  done,
  filesAsked,
  floats,
  folder,
  hf,
  home,
  hub,
  named,
  nameOf,
  refused,
} from "./hub-setup.ts";
import { requant } from "./run.ts";

describe("a conversion", () => {
  const made = (name: string): string => join(home, name);
  const asGguf = ["--to", "gguf:q8_0", "--set", "general.name=str:same"];

  it("from the hub makes the same bytes, keeps no copy, and asks storage alone after the first answer", async () => {
    await done("convert", "owner/floats", made("there.gguf"), ...asGguf, "--jobs", "2");
    await done("convert", hf, made("here.gguf"), ...asGguf);
    expect(readFileSync(made("there.gguf")).equals(readFileSync(made("here.gguf")))).toBe(true);
    expect(existsSync(join(home, "hub"))).toBe(false);
    const resolved = filesAsked().filter((path) => path.includes("model.safetensors"));
    // one for each worker that opened the file, and one for the main thread
    expect(resolved.length).toBeLessThanOrEqual(4);
    expect(hub.asked.filter(({ server }) => server === "storage").length).toBeGreaterThan(4);
  });

  it("with --cache downloads once, as hf lays it out, and then reads the disk", async () => {
    await done("convert", "owner/floats", made("first.gguf"), ...asGguf, "--cache");
    const cache = cacheOf("owner/floats");
    const commit = commitOf("owner/floats");
    expect(readFileSync(join(cache, "refs", "main"), "utf8")).toBe(commit);
    expect(readdirSync(join(cache, "snapshots", commit)).sort()).toEqual(Object.keys(floats).sort());
    for (const [name, bytes] of Object.entries(floats)) {
      const hash = name.endsWith(".safetensors") ? sha256Of(bytes) : gitHashOf(bytes);
      expect(readlinkSync(join(cache, "snapshots", commit, name))).toBe(join("..", "..", "blobs", hash));
      expect(Buffer.compare(readFileSync(join(cache, "blobs", hash)), bytes)).toBe(0);
    }
    expect(readdirSync(join(cache, "blobs"))).toHaveLength(Object.keys(floats).length);
    const { repos, warnings } = await scanCacheDir(join(home, "hub"));
    expect(warnings).toEqual([]);
    expect(
      repos.map(({ id, filesCount, revisions }) => [id, filesCount, revisions.map(({ refs }) => refs)]),
    ).toEqual([[{ name: "owner/floats", type: "model" }, Object.keys(floats).length, [["main"]]]]);
    hub.asked.length = 0;
    for (const options of [[], ["--cache"]])
      await done("convert", "owner/floats", made(`next${options.length}.gguf`), ...asGguf, ...options);
    expect(filesAsked()).toEqual([]);
    await done("convert", hf, made("here.gguf"), ...asGguf);
    for (const name of ["first", "next0", "next1"])
      expect(readFileSync(made(`${name}.gguf`)).equals(readFileSync(made("here.gguf"))), name).toBe(true);
  });
});

describe("the cache", () => {
  /** As hf leaves it: a blob, a link to it, and a reference. */
  function fill(repository: string, files: Readonly<Record<string, Uint8Array>>): void {
    const cache = cacheOf(repository);
    for (const [path, bytes] of Object.entries(files)) {
      const hash = /\.(gguf|safetensors)$/.test(path) ? sha256Of(bytes) : gitHashOf(bytes);
      const name = join(cache, "snapshots", commitOf(repository), path);
      mkdirSync(dirname(name), { recursive: true });
      mkdirSync(join(cache, "blobs"), { recursive: true });
      writeFileSync(join(cache, "blobs", hash), bytes);
      symlinkSync(join(...path.split("/").map(() => ".."), "..", "blobs", hash), name);
    }
    mkdirSync(join(cache, "refs"), { recursive: true });
    writeFileSync(join(cache, "refs", "main"), commitOf(repository));
  }

  it("is read first, file by file, and --no-cache leaves it alone", async () => {
    const { "model.safetensors": weights, ...small } = floats;
    if (weights === undefined) throw new Error("no weights");
    fill("owner/floats", small);
    await done("inspect", "owner/floats");
    expect([...new Set(filesAsked().map((path) => path.split(" ")[0]?.split("/").at(-1)))]).toEqual([
      "model.safetensors",
    ]);
    fill("owner/one", { "m.gguf": named("one") });
    hub.asked.length = 0;
    await done("inspect", "owner/one");
    expect(filesAsked()).toEqual([]);
    await done("inspect", "owner/one", "--no-cache");
    expect(filesAsked()).toHaveLength(1);
  });

  it("alone is read offline", async () => {
    fill("owner/many", { "m-Q4_K_M.gguf": named("four"), "m-Q8_0.gguf": named("eight and more") });
    process.env["HF_HUB_OFFLINE"] = "1";
    expect(await nameOf("owner/many:Q4_K_M")).toBe("four");
    expect(await nameOf(`hf:owner/many@${commitOf("owner/many")}/m-Q8_0.gguf`)).toBe("eight and more");
    expect(await refused("inspect", "hf:owner/many@v2:Q4_K_M")).toMatchObject({ status: 4 });
    expect(await refused("inspect", "hf:owner/one")).toMatchObject({
      status: 4,
      message: "hf:owner/one is not in the download cache.",
      hint: expect.stringMatching(/hf download owner\/one/),
    });
    expect(await refused("inspect", "hf:owner/many@../../x")).toMatchObject({ status: 4 });
    fill("owner/floats", floats);
    await done("convert", "owner/floats", join(home, "x.gguf"), "--to", "gguf:q8_0");
    expect(await nameOf(join(home, "x.gguf"))).toBe("Floats");
    expect(hub.asked).toEqual([]);
  });

  it("is read where the hub cannot be reached", async () => {
    fill("owner/one", { "m.gguf": named("one") });
    process.env["HF_ENDPOINT"] = "http://127.0.0.1:9";
    const { err } = await done("inspect", "owner/one");
    expect(err).toContain("note: The hub cannot be reached");
    expect(await refused("inspect", "owner/floats")).toMatchObject({ status: 4 });
  }, 30_000);

  it("goes on where an interrupted download ended", async () => {
    const bytes = floats["model.safetensors"] ?? new Uint8Array();
    const cache = cacheOf("owner/floats");
    mkdirSync(join(cache, "blobs"), { recursive: true });
    const partial = join(cache, "blobs", `${sha256Of(bytes)}.requant.incomplete`);
    writeFileSync(partial, bytes.subarray(0, 3_000_000));
    await done("inspect", "owner/floats", "--cache");
    expect(existsSync(partial)).toBe(false);
    expect(Buffer.compare(readFileSync(join(cache, "blobs", sha256Of(bytes))), bytes)).toBe(0);
    const starts = hub.asked
      .filter(({ server, path }) => server === "storage" && path.includes(sha256Of(bytes)))
      .map(({ headers }) => Number(/^bytes=(\d+)/.exec(headers.range ?? "")?.[1]));
    // the first bytes show the length; the rest begins where the file on the disk ends
    expect(starts).toEqual([0, 3_000_000]);
  });

  it("goes on after Ctrl-C, and has no file under its name before it is whole", async () => {
    const { "model.safetensors": bytes = new Uint8Array() } = floats;
    hub.fault = ({ server }) => {
      const storage = hub.asked.filter((each) => each.server === "storage").length;
      if (server === "storage" && storage === 2) process.emit("SIGINT");
      return false;
    };
    const { status } = await requant("inspect", "owner/floats", "--cache");
    expect(status).toBe(130);
    const blobs = join(cacheOf("owner/floats"), "blobs");
    expect(readdirSync(blobs).filter((name) => name === sha256Of(bytes))).toEqual([]);
    hub.fault = () => false;
    await done("inspect", "owner/floats", "--cache");
    expect(Buffer.compare(readFileSync(join(blobs, sha256Of(bytes))), bytes)).toBe(0);
    expect(readdirSync(blobs).filter((name) => name.includes("incomplete") || name.startsWith("."))).toEqual(
      [],
    );
  });

  it("survives cut bodies, busy servers and expired links in one download", async () => {
    const faults = [503, "cut", 403, 429];
    hub.fault = ({ server }, response) => {
      if (server !== "storage") return false;
      const fault = faults.shift();
      if (fault === undefined) return false;
      if (typeof fault === "number") response.writeHead(fault, { "retry-after": "0" }).end();
      else response.destroy();
      return true;
    };
    await done("inspect", "owner/floats", "--cache");
    expect(faults).toEqual([]);
    const { "model.safetensors": bytes = new Uint8Array() } = floats;
    const blob = join(cacheOf("owner/floats"), "blobs", sha256Of(bytes));
    expect(createHash("sha256").update(readFileSync(blob)).digest("hex")).toBe(sha256Of(bytes));
  });

  it("takes no bytes with another hash", async () => {
    const { "model.safetensors": bytes = new Uint8Array() } = floats;
    hub.fault = ({ server, path, headers }, response) => {
      if (server !== "storage" || !path.includes(sha256Of(bytes))) return false;
      const [, start = "0", last = "0"] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
      const end = Math.min(Number(last) + 1, bytes.length);
      response
        .writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${bytes.length}`, etag: '"x"' })
        .end(new Uint8Array(end - Number(start)));
      return true;
    };
    const error = await refused("inspect", "owner/floats", "--cache");
    expect(error).toMatchObject({ status: 4, message: expect.stringContaining(sha256Of(bytes)) });
    const blobs = readdirSync(join(cacheOf("owner/floats"), "blobs"));
    expect(blobs.filter((name) => name.includes(sha256Of(bytes)))).toEqual([]);
  });

  it("gets a split set whole, and nothing else", async () => {
    await done("inspect", "hf:owner/many:F32", "--cache");
    const snapshot = join(cacheOf("owner/many"), "snapshots", commitOf("owner/many"));
    expect(readdirSync(snapshot)).toEqual(["F32"]);
    expect(readdirSync(join(snapshot, "F32")).sort()).toEqual(
      [1, 2, 3].map((part) => `m-F32-0000${part}-of-00003.gguf`),
    );
    expect(lstatSync(join(snapshot, "F32", "m-F32-00001-of-00003.gguf")).isSymbolicLink()).toBe(true);
  });
});

describe("a hostile hub", () => {
  it.each(["../../../evil.json", "..\\evil.json", "/evil.json"])("writes nothing to %s", async (path) => {
    hub.fault = (asked, response) => {
      if (!asked.path.includes("/tree/")) return false;
      const entry = { type: "file", oid: "0".repeat(40), size: 1, path };
      response.end(JSON.stringify([{ ...entry, path: "model.safetensors" }, entry]));
      return true;
    };
    expect([3, 4]).toContain((await refused("inspect", "owner/floats", "--cache")).status);
    expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes("evil"))).toEqual(
      [],
    );
  });

  it("cannot name a file by a revision that leads out of the cache", async () => {
    hub.fault = (asked, response) => {
      if (!asked.path.includes("/revision/")) return false;
      response.end(JSON.stringify({ sha: commitOf("owner/floats") }));
      return true;
    };
    await done("inspect", "https://huggingface.co/owner/floats/tree/..%2F..%2F..%2Fevil", "--cache");
    expect(readdirSync(home, { recursive: true }).filter((name) => String(name).includes("evil"))).toEqual(
      [],
    );
  });
});
