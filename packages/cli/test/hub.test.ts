/** Models of the hub, as people paste their addresses. Oracle: a stand-in hub, and the same files on the disk. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { commitOf, GOOD_TOKEN, POOR_TOKEN } from "../../../fixtures/stand-in-hub.ts";
import { main } from "../src/main.ts";
import { done, home, hub, named, nameOf, refused } from "./hub-setup.ts";
import { type Result, requant } from "./run.ts";

describe("addresses", () => {
  it.each([
    ["owner/one", "one"],
    ["hf:owner/one", "one"],
    ["hf:owner/one/mmproj-F16.gguf", "vision"],
    ["https://huggingface.co/owner/one", "one"],
    ["hf.co/owner/many:q8_0", "eight and more"],
    ["https://huggingface.co/owner/many/blob/v2/m-Q4_K_M.gguf", "four"],
    ["https://huggingface.co/owner/many/resolve/main/m-Q8_0.gguf?download=true", "eight and more"],
    ["https://hf.co/owner/many/tree/main/F32", "split"],
    ["hf:owner/many@v2:Q4_K_M", "four"],
    ["owner/many:F32", "split"],
    ["hf:owner/many/F32/m-F32-00002-of-00003.gguf", "split"],
  ])("%s", async (address, name) => {
    expect(await nameOf(address)).toBe(name);
  });

  it("a path that is there is not looked up", async () => {
    const before = process.cwd();
    mkdirSync(join(home, "owner", "one"), { recursive: true });
    writeFileSync(join(home, "owner", "one", "m.gguf"), named("here"));
    process.chdir(home);
    try {
      expect(await nameOf("owner/one")).toBe("here");
    } finally {
      process.chdir(before);
    }
    expect(hub.asked).toEqual([]);
  });

  it("three requests show what a file is, and no byte is fetched twice", async () => {
    await done("inspect", "hf:owner/one");
    const commit = commitOf("owner/one");
    expect(hub.asked.filter(({ server }) => server === "hub").map(({ path }) => path)).toEqual([
      "/api/models/owner/one/revision/main",
      `/api/models/owner/one/tree/${commit}?recursive=true`,
      `/owner/one/resolve/${commit}/m.gguf`,
    ]);
    expect(
      hub.asked.filter(({ server }) => server === "storage").map(({ headers }) => headers.range),
    ).toEqual(["bytes=0-65535"]);
  });

  it.each([
    ["hf:owner/many:Q5_K_M", 2, /no GGUF file is called "Q5_K_M"/, /^There are Q4_K_M, Q8_0, F32\.$/],
    ["hf:owner/floats:Q4_K_M", 2, /there are no GGUF files/, /Write hf:owner\/floats\.$/],
    ["hf:owner/many/m-Q4_K_S.gguf", 4, /no such file or folder.*m-Q4_K_M\.gguf/, /^Check the name/],
    ["hf:owner/none", 4, /no public repository owner\/none/, /access token.*\(HF_TOKEN, or hf auth login\)/],
    [
      "owner/none",
      4,
      /no such file or directory, and as a repository.*no public/,
      /^Check the path or the name/,
    ],
    ["hf:owner/one@v9", 4, /no branch, tag or commit "v9"/, /tree\/main\.$/],
  ])("%s is refused with a way out", async (address, status, message, hint) => {
    expect(await refused("inspect", address)).toMatchObject({
      status,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

describe("several GGUF models", () => {
  const addresses = ["hf:owner/many:Q4_K_M", "hf:owner/many:Q8_0", "hf:owner/many:F32"];

  it("are listed in the error for scripts", async () => {
    const error = await refused("inspect", "owner/many");
    expect(error.status).toBe(2);
    expect(error.hint).toBe(`Name one of them: ${addresses.join(", ")}.`);
  });

  it("are listed with sizes for people", async () => {
    const { status, out, err } = await requant("inspect", "owner/many");
    expect({ status, out }).toEqual({ status: 2, out: "" });
    const size = named("split").length;
    expect(size).toBeGreaterThan(1000);
    for (const address of addresses) expect(err).toMatch(new RegExp(`${address} +[\\d.]+ [kM]?B +`));
    expect(err).toContain("m-F32-00001-of-00003.gguf and 2 more");
  });

  it.each([
    ["2\n", "eight and more", 1],
    ["nonsense\nq4_k_m\n", "four", 2],
  ])("a person on a terminal is asked, and answers %j", async (answers, name, questions) => {
    const { status, out, err } = await onTerminal(answers, "inspect", "owner/many", "--metadata");
    expect(status, err).toBe(0);
    expect(out).toContain(name);
    expect(err.split("Which one?")).toHaveLength(questions + 1);
  });

  it.each(["\n", ""])("no answer (%j) is wrong usage", async (answers) => {
    const { status, err } = await onTerminal(answers, "inspect", "owner/many");
    expect(status).toBe(2);
    expect(err).toContain("Name one of them, such as hf:owner/many:Q4_K_M.");
  });

  async function onTerminal(answers: string, ...argv: string[]): Promise<Result> {
    const input = Object.assign(Readable.from(answers === "" ? [] : [answers]), { isTTY: true });
    let [out, err] = ["", ""];
    const write =
      (add: (text: string) => void) =>
      (data: string | Uint8Array): void =>
        add(String(data));
    const status = await main(argv, {
      input,
      out: { write: write((text) => (out += text)) },
      err: { write: write((text) => (err += text)), isTTY: true },
    });
    return { status, out, err };
  }
});

describe("tokens", () => {
  it.each([
    ["HF_TOKEN", () => ({ HF_TOKEN: GOOD_TOKEN })],
    [
      "the file of hf auth login",
      () => {
        writeFileSync(join(home, "token"), `${GOOD_TOKEN}\n`);
        return {};
      },
    ],
    [
      "HF_TOKEN_PATH",
      () => {
        writeFileSync(join(home, "other"), GOOD_TOKEN);
        return { HF_TOKEN_PATH: join(home, "other") };
      },
    ],
  ])("%s opens gated and private repositories, and goes to the hub alone", async (_, set) => {
    Object.assign(process.env, set());
    for (const model of ["owner/gated:Q8_0", "owner/private"]) {
      const { out, err } = await done("inspect", model, "--json");
      expect(`${out}${err}`).not.toContain(GOOD_TOKEN);
    }
    const converted = await done(
      "convert",
      "owner/private",
      join(home, "x.gguf"),
      "--to",
      "gguf:q8_0",
      "--json",
    );
    expect(`${converted.out}${converted.err}`).not.toContain(GOOD_TOKEN);
    const sent = (server: string): Set<unknown> =>
      new Set(hub.asked.filter((each) => each.server === server).map(({ headers }) => headers.authorization));
    expect(sent("hub")).toEqual(new Set([`Bearer ${GOOD_TOKEN}`]));
    expect(sent("storage")).toEqual(new Set([undefined]));
  });

  it.each([
    [
      "no token",
      {},
      "owner/gated:Q8_0",
      /is gated: only accounts/,
      /Accept the conditions on .*\(HF_TOKEN, or hf auth login\)/,
    ],
    [
      "a token without access",
      { HF_TOKEN: POOR_TOKEN },
      "owner/gated:Q8_0",
      /may not read it yet/,
      /Ask for access on/,
    ],
    [
      "a token without access",
      { HF_TOKEN: POOR_TOKEN },
      "hf:owner/private",
      /may not read it/,
      /a token that may read it/,
    ],
    [
      "an old token",
      { HF_TOKEN: "hf_standInOld" },
      "owner/one",
      /does not accept the access token/,
      /settings\/tokens/,
    ],
    [
      "implicit tokens off",
      { HF_TOKEN: GOOD_TOKEN, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" },
      "hf:owner/private",
      /no public repository/,
      /HF_TOKEN/,
    ],
  ])("%s: %o, %s is refused with a way out", async (_, set, address, message, hint) => {
    Object.assign(process.env, set);
    expect(await refused("inspect", address)).toMatchObject({
      status: 4,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});
