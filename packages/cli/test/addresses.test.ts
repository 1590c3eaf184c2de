/** Addresses that are not read, or read as something else. Oracle: the form that docs and `help models` give for each. */
import { afterAll, expect, it } from "vitest";
import { requant } from "./run.ts";

const environment = { ...process.env };
process.env["HF_HUB_OFFLINE"] = "1";
process.env["HF_HUB_CACHE"] = "no-such-folder";
afterAll(() => {
  process.env = environment;
});

it.each([
  ["https://huggingface.co/owner/repo/discussions/1", 2, "Write hf:owner/repo."],
  ["https://huggingface.co/datasets/owner/repo", 2, /^Give the repository of a model: hf:owner\/repo/],
  [
    "https://huggingface.co/owner/repo",
    4,
    /^Download it while there is a network \(hf download owner\/repo\)/,
  ],
  ["hf:owner", 2, /^Write hf:owner\/repo, /],
  ["ollama:../x", 2, "Write ollama:NAME or ollama:NAME:TAG, as ollama list shows it."],
  ["lmstudio:x", 2, /^Write lmstudio:owner\/repo, /],
  ["owner/no-such-repo", 4, /^Check the path or the name. Download it while there is a network/],
  ["owner/no-such-file.gguf", 4, "Check the path."],
  ["no/such/folder", 4, "Check the path."],
  ["no-such-file.gguf", 4, "Check the path."],
  ["s3://b/k", 2, /A bucket has 3 to 63 lowercase letters/],
  ["ftp://host/m.gguf", 2, /https:\/\/, s3:\/\/ or hf:/],
])("%s is answered with the right form", async (address, status, hint) => {
  const result = await requant("inspect", address, "--json");
  const { error } = JSON.parse(result.err);
  expect({ status: result.status, out: result.out }, result.err).toEqual({ status, out: "" });
  expect(error.hint).toEqual(typeof hint === "string" ? hint : expect.stringMatching(hint));
});

it("a secret in a pasted address is not repeated", async () => {
  const { err } = await requant("inspect", "https://user:hunter2@huggingface.co/owner/repo?token=hunter2");
  expect(err).toContain("give an access token (HF_TOKEN, or hf auth login) instead");
  expect(err).not.toContain("hunter2");
});

it("under HF_HUB_OFFLINE, --no-cache leaves nothing to read", async () => {
  const { status, err } = await requant("inspect", "hf:owner/repo", "--no-cache");
  expect(status).toBe(2);
  expect(err).toContain("Leave out one of the two.");
});
