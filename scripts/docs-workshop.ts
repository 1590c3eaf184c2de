/** The folder in which the commands of pages are run: small models, a text, servers of this machine. */
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { standInHub } from "../fixtures/stand-in-hub.ts";

const root = resolve(import.meta.dirname, "..");

/** The path of the folder in pages. Folders are as long as this one, because lines are broken at their width. */
export const SHOWN_FOLDER = "/home/you/data";

export interface Workshop {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly port: string;
  /** The address of the stand-in of the hub. */
  readonly hub: string;
  close(): void;
}

/** A part of the bundled text: commands that read all of it take long. */
const TEXT_BYTE_LENGTH = 30_000;

/** Serves the files of a folder by ranges, and notes in `server.log` what was asked. */
async function serveFolder(folder: string, log: string): Promise<Server> {
  const server = createServer((request, response) => {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(folder, decodeURIComponent(request.url ?? "/")));
    } catch {
      response.writeHead(404).end();
      return;
    }
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(first ?? 0);
    const end = Math.min(last === undefined || last === "" ? bytes.length : Number(last) + 1, bytes.length);
    const isRange = first !== undefined;
    const sent = request.method === "HEAD" ? 0 : end - start;
    appendFileSync(log, `${request.method} ${request.url}, ${sent} of ${bytes.length} bytes\n`);
    response
      .writeHead(isRange ? 206 : 200, {
        etag: '"1"',
        "accept-ranges": "bytes",
        "content-length": end - start,
        ...(isRange ? { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
      })
      .end(request.method === "HEAD" ? undefined : bytes.subarray(start, end));
  });
  const listening = (port: number): Promise<void> =>
    new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  await listening(0);
  return server;
}

/** Numbers that look random and are the same everywhere. */
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (((i + 1) * 2654435761 + seed * 40503) % 2001) / 50_000 - 0.02,
  );

/** A LoRA adapter of rank 2 for two weights of the bundled model. */
function writeAdapter(folder: string): void {
  const prefix = "base_model.model.model.layers.0.self_attn";
  const factors = ["q_proj", "o_proj"].flatMap((name, index) => [
    { name: `${prefix}.${name}.lora_A.weight`, shape: [2, 256], values: numbers(512, 2 * index + 1) },
    { name: `${prefix}.${name}.lora_B.weight`, shape: [256, 2], values: numbers(512, 2 * index + 2) },
  ]);
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape, values } of factors) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(folder);
  const data = factors.map(({ values }) => Buffer.from(values.buffer));
  writeFileSync(join(folder, "adapter_model.safetensors"), Buffer.concat([length, text, ...data]));
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj", "o_proj"] };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
}

/** A folder with the bundled model, a text, `requant` in the path, a server of the folder, and a stand-in of the hub. */
export async function openWorkshop(): Promise<Workshop> {
  const folder = mkdtempSync("/tmp/rq-");
  if (folder.length !== SHOWN_FOLDER.length)
    throw new Error(`${folder} has another length than ${SHOWN_FOLDER}.`);
  const home = mkdtempSync("/tmp/requant-docs-");
  const bin = join(home, "bin");
  mkdirSync(bin);
  cpSync(join(root, "fixtures/kjv/hf"), join(folder, "kjv"), { recursive: true });
  const text = readFileSync(join(root, "fixtures/kjv/heldout.txt"));
  writeFileSync(join(folder, "text.txt"), text.subarray(0, TEXT_BYTE_LENGTH));
  writeAdapter(join(folder, "adapter"));
  const start = `exec "${process.execPath}" --conditions=@requant/source "${join(root, "packages/cli/src/bin.ts")}" "$@"`;
  writeFileSync(join(bin, "requant"), `#!/bin/sh\n${start}\n`);
  writeFileSync(join(bin, "npx"), `#!/bin/sh\n[ "$1" = @requant/cli ] || exit 127\nshift\n${start}\n`);
  for (const name of ["requant", "npx"]) chmodSync(join(bin, name), 0o755);
  const files = Object.fromEntries(
    [
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ].map((name): [string, Uint8Array] => [name, readFileSync(join(folder, "kjv", name))]),
  );
  const hub = await standInHub({ "owner/model": { files } });
  const server = await serveFolder(folder, join(folder, "server.log"));
  return {
    folder,
    hub: hub.endpoint,
    port: String((server.address() as AddressInfo).port),
    environment: {
      PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      LC_ALL: "C.UTF-8",
      COLUMNS: "80",
      NO_COLOR: "1",
      HF_ENDPOINT: hub.endpoint,
    },
    close() {
      server.closeAllConnections();
      server.close();
      hub.close();
      for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
    },
  };
}
