/** S3 as a source. The server checks each signature by its own computation of AWS's Signature Version 4. */
import { createHash, createHmac } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { requant } from "./run.ts";
import { honest, serveFiles, type TestServer } from "./serving.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-s3-"));
const environment = { ...process.env };
const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
let server: TestServer;

function bucketFile(path: string): Uint8Array | undefined {
  const name = /^\/models\/tiny model\/v=1\+a\/([\w.]+)$/.exec(path)?.[1];
  const file = join(hf, name ?? "");
  return name !== undefined && existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
}

const hex = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** The signature that a GET must have (AWS General Reference, Signature Version 4). */
function signatureOf(path: string, headers: IncomingHttpHeaders): string {
  const authorization = headers.authorization ?? "";
  const [, scope = "", signed = ""] =
    /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), Signature=/.exec(authorization) ?? [];
  const encoded = path
    .split("/")
    .map((part) =>
      encodeURIComponent(part).replace(
        /[!'()*]/g,
        (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join("/");
  const request = [
    "GET",
    encoded,
    "",
    ...signed.split(";").map((name) => `${name}:${String(headers[name])}`),
    "",
    signed,
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const text = ["AWS4-HMAC-SHA256", String(headers["x-amz-date"]), scope, hex(request)].join("\n");
  const [date = "", region = "", service = "", end = ""] = scope.split("/");
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), end);
  return hmac(key, text).toString("hex");
}

beforeEach(async () => {
  server = await serveFiles(bucketFile, (asked, response, bytes, count) => {
    const given = /Signature=([0-9a-f]+)$/.exec(asked.headers.authorization ?? "")?.[1];
    if (given !== signatureOf(asked.path, asked.headers)) response.writeHead(403).end();
    else honest(asked, response, bytes, count);
  });
  process.env["AWS_ENDPOINT_URL_S3"] = server.url;
  process.env["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE";
  process.env["AWS_SECRET_ACCESS_KEY"] = secret;
  process.env["AWS_SESSION_TOKEN"] = "session-do-not-tell";
  process.env["AWS_REGION"] = "eu-central-1";
});
afterEach(() => {
  server.close();
  process.env = { ...environment };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const address = "s3://models/tiny model/v=1+a";

describe("s3://bucket/key", () => {
  it("a folder is inspected, verified and converted", async () => {
    const inspected = await requant("inspect", `${address}/`, "--json");
    expect(inspected.status, inspected.err).toBe(0);
    expect(JSON.parse(inspected.out)).toMatchObject({ format: "safetensors", parameterCount: 2_295_552 });
    const verified = await requant("verify", address, hf, "--json");
    expect(verified.status, verified.err).toBe(0);
    const output = join(folder, "m.gguf");
    const converted = await requant("convert", address, output, "--to", "gguf:f16", "--json");
    expect(converted.status, converted.err).toBe(0);
    expect(await requant("verify", hf, output, "--tolerance", "0.001")).toMatchObject({ status: 0 });
    expect(
      server.asked.every(({ headers }) => headers["x-amz-security-token"] === "session-do-not-tell"),
    ).toBe(true);
  });

  it("empty parts of a key are parts of it", async () => {
    await requant("inspect", "s3://models/a//b/model.gguf", "--json");
    await requant("inspect", "s3://models//a/", "--json");
    const paths = server.asked.map(({ path }) => path);
    expect(paths[0]).toBe("/models/a//b/model.gguf");
    expect(paths.at(-1)).toMatch(/^\/models\/\/a\/[^/]+$/);
  });

  it("a file is inspected; nothing secret is printed", async () => {
    const { status, out, err } = await requant("inspect", `${address}/model.safetensors`, "--json");
    expect(status, err).toBe(0);
    expect(`${out}${err}`).not.toMatch(/do-not-tell|wJalrXUtn/);
  });

  it("a wrong key is refused with exit 4, and not shown", async () => {
    process.env["AWS_SECRET_ACCESS_KEY"] = "wrong-key-do-not-tell";
    const { status, err } = await requant("inspect", `${address}/`, "--json");
    expect(status).toBe(4);
    expect(err).not.toMatch(/do-not-tell/);
    expect(JSON.parse(err).error.hint).toMatch(/AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY/);
  });

  it("AWS_ENDPOINT_URL names the server where AWS_ENDPOINT_URL_S3 does not", async () => {
    for (const specific of [undefined, "", server.url]) {
      process.env["AWS_ENDPOINT_URL"] = specific === server.url ? "http://127.0.0.1:1" : server.url;
      if (specific === undefined) delete process.env["AWS_ENDPOINT_URL_S3"];
      else process.env["AWS_ENDPOINT_URL_S3"] = specific;
      const { status, err } = await requant("inspect", `${address}/model.safetensors`, "--json");
      expect(status, err).toBe(0);
    }
  });

  it.each([
    [
      "AWS_ENDPOINT_URL_S3",
      "127.0.0.1:5917",
      "AWS_ENDPOINT_URL_S3: http:// or https:// is missing",
      "http://host",
    ],
    ["AWS_ENDPOINT_URL", "127.0.0.1:5917", "AWS_ENDPOINT_URL: http:// or https:// is missing", "http://host"],
    [
      "AWS_ENDPOINT_URL",
      "http://a:b-do-not-tell@127.0.0.1:1",
      "AWS_ENDPOINT_URL: a name",
      "AWS_SECRET_ACCESS_KEY",
    ],
  ])("%s with %s is refused with what is wrong", async (name, value, words, hint) => {
    delete process.env["AWS_ENDPOINT_URL_S3"];
    process.env[name] = value;
    const { status, err } = await requant("inspect", `${address}/model.safetensors`, "--json");
    const { error } = JSON.parse(err);
    expect(status).toBe(2);
    expect(error.message).toContain(words);
    expect(error.hint).toContain(hint);
    expect(err).not.toContain("do-not-tell");
  });

  it("a bucket in another region is named, and no redirect is followed", async () => {
    server.close();
    const elsewhere = await serveFiles(bucketFile);
    server = await serveFiles(bucketFile, (_, response) =>
      response
        .writeHead(307, { location: `${elsewhere.url}/models/x`, "x-amz-bucket-region": "us-west-2" })
        .end(),
    );
    process.env["AWS_ENDPOINT_URL_S3"] = server.url;
    const { status, err } = await requant("inspect", `${address}/`, "--json");
    elsewhere.close();
    expect(status).toBe(4);
    expect(JSON.parse(err).error.message).toMatch(/region us-west-2, not eu-central-1/);
    expect(elsewhere.asked).toEqual([]);
    expect(server.asked).toHaveLength(1);
  });

  it("without credentials nothing is signed", async () => {
    server.close();
    server = await serveFiles(bucketFile);
    process.env["AWS_ENDPOINT_URL_S3"] = server.url;
    delete process.env["AWS_ACCESS_KEY_ID"];
    const { status, err } = await requant("inspect", `${address}/`, "--json");
    expect(status, err).toBe(0);
    expect(server.asked.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });
});
