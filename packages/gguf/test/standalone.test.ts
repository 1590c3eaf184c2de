/**
 * The package as users get it: the packed tarball in a project outside the workspace, used from Node ESM, Node CJS and a
 * page in Chromium. Needs the built packages (`pnpm test` builds first).
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const packages = resolve(import.meta.dirname, "../..");
const CHROMIUM = "/usr/bin/chromium";
const project = mkdtempSync(join(tmpdir(), "requant-standalone-"));
let tarballByteLength = 0;

/** A GGUF with one Q8_0 tensor of 32 weights: d = 0.5 (f16 0x3800), codes −16 … 15. Written by hand, byte by byte. */
function handMadeGguf(): Uint8Array {
  const bytes: number[] = [];
  const u32 = (value: number): number =>
    bytes.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255);
  const u64 = (value: number): void => {
    u32(value);
    u32(0);
  };
  const text = (value: string): void => {
    u64(value.length);
    bytes.push(...Buffer.from(value));
  };
  bytes.push(...Buffer.from("GGUF"));
  u32(3);
  u64(1);
  u64(1);
  text("general.architecture");
  u32(8);
  text("llama");
  text("token_embd.weight");
  u32(2);
  u64(32);
  u64(1);
  u32(8);
  u64(0);
  while (bytes.length % 32 !== 0) bytes.push(0);
  bytes.push(0x00, 0x38);
  for (let code = -16; code < 16; code++) bytes.push(code & 255);
  while (bytes.length % 32 !== 0) bytes.push(0);
  return Uint8Array.from(bytes);
}

const USE = `
  const gguf = await readGguf(source);
  const tensor = gguf.tensors[0];
  const out = new Float32Array(32);
  ggmlTypeByName(tensor.encoding).codec.dequantize(
    await source.read(tensor.byteOffset, tensor.byteOffset + tensor.byteLength), out);
  const answer = JSON.stringify({ name: tensor.name, shape: tensor.shape, architecture: gguf.metadata.get("general.architecture").value, first: out[0], last: out[31] });
`;
const ANSWER = { name: "token_embd.weight", shape: [1, 32], architecture: "llama", first: -8, last: 7.5 };

beforeAll(() => {
  const tarballs = join(project, "tarballs");
  mkdirSync(tarballs);
  for (const name of ["core", "gguf"]) {
    const folder = join(packages, name);
    if (!existsSync(join(folder, "dist/index.js")))
      throw new Error(`packages/${name} is not built: run the build first`);
    execFileSync("pnpm", ["pack", "--pack-destination", tarballs], { cwd: folder, stdio: "pipe" });
  }
  const files = readdirSync(tarballs);
  const gguf = files.find((file) => file.startsWith("requant-gguf"));
  tarballByteLength = statSync(join(tarballs, gguf ?? "")).size;
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "standalone", private: true, version: "1.0.0" }),
  );
  execFileSync(
    "npm",
    [
      "install",
      "--offline",
      "--no-audit",
      "--no-fund",
      "--ignore-scripts",
      ...files.map((file) => join(tarballs, file)),
    ],
    { cwd: project, stdio: "pipe" },
  );
  writeFileSync(join(project, "hand-made.gguf"), handMadeGguf());
}, 180_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

function runNode(file: string, code: string): unknown {
  writeFileSync(join(project, file), code);
  return JSON.parse(execFileSync(process.execPath, [file], { cwd: project, encoding: "utf8" }));
}

describe("the packed @requant/gguf, alone", () => {
  it("is under 400 kB", () => {
    console.log(`@requant/gguf tarball: ${(tarballByteLength / 1024).toFixed(1)} kB`);
    expect(tarballByteLength).toBeGreaterThan(1000);
    expect(tarballByteLength).toBeLessThan(400 * 1024);
  });

  it("reads a header and one tensor in Node ESM", () => {
    const answer = runNode(
      "use.mjs",
      `import { fileSource } from "@requant/core/node"; import { readGguf, ggmlTypeByName } from "@requant/gguf";
       const source = await fileSource("hand-made.gguf"); ${USE} console.log(answer); await source.close();`,
    );
    expect(answer).toEqual(ANSWER);
  });

  it("reads a header and one tensor in Node CJS", () => {
    const answer = runNode(
      "use.cjs",
      `const { fileSource } = require("@requant/core/node"); const { readGguf, ggmlTypeByName } = require("@requant/gguf");
       (async () => { const source = await fileSource("hand-made.gguf"); ${USE} console.log(answer); await source.close(); })();`,
    );
    expect(answer).toEqual(ANSWER);
  });

  it.skipIf(!existsSync(CHROMIUM))(
    `reads a header and one tensor in Chromium (skipped where ${CHROMIUM} is missing)`,
    async () => {
      writeFileSync(
        join(project, "page.mjs"),
        `import { urlSource } from "@requant/core"; import { readGguf, ggmlTypeByName } from "@requant/gguf";
       (async () => { const source = await urlSource(new URL("hand-made.gguf", location.href).href); ${USE} document.title = answer; })()
         .catch((error) => { document.title = JSON.stringify({ error: String(error) }); });`,
      );
      const bundle = await build({
        entryPoints: [join(project, "page.mjs")],
        bundle: true,
        format: "esm",
        write: false,
        platform: "browser",
      });
      const script = bundle.outputFiles[0]?.text ?? "";
      const model = readFileSync(join(project, "hand-made.gguf"));
      const server = createServer((request, response) => {
        if (request.url === "/page.js") {
          response.writeHead(200, { "content-type": "text/javascript" }).end(script);
        } else if (request.url === "/hand-made.gguf") {
          const [, from = "0", to = ""] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
          const start = Number(from);
          const end = Math.min(to === "" ? model.length : Number(to) + 1, model.length);
          response
            .writeHead(206, {
              "content-range": `bytes ${start}-${end - 1}/${model.length}`,
              "content-length": end - start,
            })
            .end(model.subarray(start, end));
        } else {
          response
            .writeHead(200, { "content-type": "text/html" })
            .end('<!doctype html><script type="module" src="/page.js"></script>');
        }
      });
      await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
      const profile = mkdtempSync(join(tmpdir(), "requant-chromium-"));
      const browser = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
      try {
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
        await page.waitForFunction("document.title !== ''", undefined, { timeout: 20_000 });
        expect(JSON.parse(await page.title())).toEqual(ANSWER);
      } finally {
        await browser.close();
        server.close();
        rmSync(profile, { recursive: true, force: true });
      }
    },
  );
});
