// Inspects, converts and verifies the bundled real model with the built command, and prints the results.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const bin = resolve(root, "packages/cli/dist/bin.js");
const out = "demo-output";
const model = "fixtures/kjv/hf";

rmSync(resolve(root, out), { recursive: true, force: true });
mkdirSync(resolve(root, out));

/** Prints and runs one command; an unexpected exit status ends the demo. */
function requant(expected, ...args) {
  console.log(`\n$ requant ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [bin, ...args], { cwd: root, stdio: "inherit" });
  if (status !== expected) {
    console.error(`exit status ${status}, expected ${expected}`);
    process.exit(1);
  }
}

const started = Date.now();
requant(0, "inspect", model);
requant(0, "convert", model, `${out}/kjv-Q8_0.gguf`, "--to", "gguf:q8_0");
requant(0, "convert", model, `${out}/kjv-Q4_0.gguf`, "--to", "gguf:q4_0");
console.log("\nThere and back without loss: BF16 GGUF, then a Hugging Face directory again");
requant(0, "convert", model, `${out}/kjv-BF16.gguf`, "--to", "gguf:bf16", "--exact");
requant(0, "convert", `${out}/kjv-BF16.gguf`, `${out}/hf-from-gguf`, "--to", "safetensors:bf16", "--exact");
requant(0, "verify", model, `${out}/hf-from-gguf`);
console.log("\nWhat quantizing cost, weight by weight (exit status 1: the weights differ, as they must)");
requant(1, "verify", model, `${out}/kjv-Q4_0.gguf`);
console.log(`\nDone in ${((Date.now() - started) / 1000).toFixed(1)} s. The files are in ${out}/.`);
