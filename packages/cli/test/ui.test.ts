/** `requant ui`: what its server gives, and what it refuses. The page itself is tested in packages/web. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../src/main.ts";
import { filesBelow } from "../src/page-files.ts";
import { type PageServer, startPageServer } from "../src/page-server.ts";
import { requant } from "./run.ts";

const root = resolve(import.meta.dirname, "../../..");
const hf = join(root, "fixtures/kjv/hf");
const page = join(root, "packages/web/dist");

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** `fetch` would correct the paths, and set the Host header itself. */
function ask(
  server: PageServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((done, failed) => {
    request({ hostname, port, path, headers, method }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () =>
        done({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      );
    })
      .on("error", failed)
      .end();
  });
}

describe("the server", () => {
  let server: PageServer;
  let model: string;
  beforeAll(async () => {
    const models = [{ store: directoryStore(hf), file: undefined }];
    server = await startPageServer({ page: await filesBelow(page), models, host: "127.0.0.1", port: 0 });
    const [, opened = ""] = server.url.split("#open=");
    model = new URL(decodeURIComponent(opened)).pathname;
  });
  afterAll(() => server.close());

  it("gives the page, with a policy and no caching by others", async () => {
    const { status, headers, body } = await ask(server, "/");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body.equals(readFileSync(join(page, "index.html")))).toBe(true);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
  });

  it("gives ranges of the model, and the whole of a file", async () => {
    const file = readFileSync(join(hf, "model.safetensors"));
    const part = await ask(server, `${model}model.safetensors`, { range: "bytes=10-19" });
    expect(part.status).toBe(206);
    expect(part.headers["content-range"]).toBe(`bytes 10-19/${file.length}`);
    expect(part.body.equals(file.subarray(10, 20))).toBe(true);
    const rest = await ask(server, `${model}model.safetensors`, { range: `bytes=${file.length - 5}-` });
    expect(rest.body.equals(file.subarray(-5))).toBe(true);
    const beyond = await ask(server, `${model}model.safetensors`, { range: `bytes=${file.length}-` });
    expect(beyond.status).toBe(416);
    const whole = await ask(server, `${model}model.safetensors`);
    const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    expect(sha256(whole.body)).toBe(sha256(file));
  });

  it.each([
    ["/../package.json", 404],
    ["/%2e%2e/package.json", 404],
    ["/..%2f..%2fpackage.json", 404],
    ["/models/wrong/0/model.safetensors", 404],
    ["/models/", 404],
    ["/%", 400],
  ])("refuses %s", async (path, status) => {
    expect((await ask(server, path)).status).toBe(status);
  });

  it.each(["../../../package.json", "..%2f..%2f..%2fpackage.json", "/etc/passwd", "missing.gguf"])(
    "gives nothing outside the model: %s",
    async (path) => {
      expect((await ask(server, `${model}${path}`)).status).toBe(404);
    },
  );

  it("refuses other names of this machine, and other methods", async () => {
    expect((await ask(server, "/", { host: "evil.example" })).status).toBe(403);
    expect((await ask(server, "/", { host: `localhost:${new URL(server.url).port}` })).status).toBe(200);
    expect((await ask(server, "/", {}, "POST")).status).toBe(405);
  });
});

describe("the command", () => {
  it("prints the address, and ends with the signal", async () => {
    let out = "";
    const streams = {
      out: {
        write(text: string | Uint8Array) {
          out += String(text);
          // Ctrl-C
          setImmediate(() => process.emit("SIGINT"));
        },
      },
      err: { write: () => {} },
    };
    expect(await main(["ui", hf, "--port", "0", "--json"], streams)).toBe(0);
    expect(JSON.parse(out)).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#open=http/) });
  });

  it("refuses what is no port, and models that are not there", async () => {
    expect(await requant("ui", "--port", "99999")).toMatchObject({ status: 2 });
    expect(await requant("ui", "missing.gguf", "--port", "0")).toMatchObject({ status: 4 });
  });
});
