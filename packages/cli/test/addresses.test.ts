/** Addresses as people paste them. Oracle: the form that docs and `help models` give for each. */
import { expect, it } from "vitest";
import { requant } from "./run.ts";

it.each([
  ["https://huggingface.co/owner/repo", 2, "Write hf:owner/repo."],
  ["https://huggingface.co/owner/repo/", 2, "Write hf:owner/repo."],
  ["https://hf.co/owner/repo/tree/main", 2, "Write hf:owner/repo."],
  ["https://huggingface.co/owner/repo/blob/main/m.gguf", 2, "Write hf:owner/repo/m.gguf."],
  ["https://huggingface.co/owner/repo/blob/v2/a/m.gguf?download=true", 2, "Write hf:owner/repo@v2/a/m.gguf."],
  ["hf:owner/repo:Q4_K_M", 2, "Name the file: hf:owner/repo/FILE.gguf."],
  ["ollama:llama3:8b", 2, /ollama show --modelfile NAME/],
  ["owner/no-such-repo", 4, "Check the path. A repository of the hub is written hf:owner/no-such-repo."],
  ["no-such-file.gguf", 4, "Check the path."],
  ["s3://b/k", 2, /A bucket has 3 to 63 lowercase letters/],
  ["ftp://host/m.gguf", 2, /https:\/\/, s3:\/\/ or hf:/],
])("%s is answered with the right form", async (address, status, hint) => {
  const result = await requant("inspect", address, "--json");
  const { error } = JSON.parse(result.err);
  expect({ status: result.status, out: result.out }).toEqual({ status, out: "" });
  expect(error.hint).toEqual(typeof hint === "string" ? hint : expect.stringMatching(hint));
});

it("a secret in a pasted address is not repeated", async () => {
  const { err } = await requant("inspect", "https://user:hunter2@huggingface.co/owner/repo?token=hunter2");
  expect(err).toContain("this is a web page of the hub");
  expect(err).not.toContain("hunter2");
});
