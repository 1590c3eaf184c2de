// Writes docs/types.md: every ggml type and every GGUF target, measured on the bundled model. Needs `pnpm build`.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadLlama, perplexity, withModel } from "../fixtures/llama-client.ts";
import { memorySource } from "../packages/core/dist/index.js";
import { fileTypes, ggmlTypes, imatrixWeights, openGguf, readImatrix } from "../packages/gguf/dist/index.js";

const root = resolve(import.meta.dirname, "..");
const hf = join(root, "fixtures/kjv/hf");
/** Relative to the root: llama-quantize records the given path, so an absolute path would change the sizes. */
const imatrixPath = "packages/gguf/test/vectors/recipes/kjv-imatrix.gguf";
const heldout = readFileSync(join(root, "fixtures/kjv/heldout.txt"), "utf8");
const reference = JSON.parse(readFileSync(join(root, "fixtures/kjv/reference.json"), "utf8"));
const page = join(root, "docs/types.md");
const folder = mkdtempSync(join(tmpdir(), "requant-types-"));

/** Layer matrices of the checkpoint as floats, with the column weights of the importance matrix. */
async function layerMatrices() {
  const file = readFileSync(join(hf, "model.safetensors"));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, start));
  const weights = imatrixWeights(
    await readImatrix(memorySource(readFileSync(join(root, imatrixPath)), imatrixPath)),
  );
  const bf16 = ggmlTypes.find(({ name }) => name === "BF16").codec;
  const ggufParts = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  };
  return Object.entries(header).flatMap(([name, entry]) => {
    const match = /^model\.layers\.(\d+)\.(.*)\.weight$/.exec(name);
    const part = ggufParts[match?.[2]];
    if (part === undefined) return [];
    const values = new Float32Array(entry.shape[0] * entry.shape[1]);
    bf16.dequantize(file.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1]), values);
    return [{ values, columns: entry.shape[1], importance: weights.get(`blk.${match[1]}.${part}.weight`) }];
  });
}

function rmseOf(codec, matrices, withImportance) {
  let squares = 0;
  let count = 0;
  for (const { values, columns, importance } of matrices) {
    const bytes = new Uint8Array((values.length / codec.blockSize) * codec.blockByteLength);
    codec.quantize(values, columns, bytes, withImportance ? importance : undefined);
    const back = new Float32Array(values.length);
    codec.dequantize(bytes, back);
    for (let i = 0; i < values.length; i++) squares += (values[i] - back[i]) ** 2;
    count += values.length;
  }
  return Math.sqrt(squares / count);
}

/** Rows of the table of types: codec work only, no files. */
async function typeRows() {
  const matrices = await layerMatrices();
  const rows = ggmlTypes.flatMap(({ id, name, blockSize, blockByteLength, codec, importance }) => {
    if (codec?.quantize === undefined || /^I(8|16|32|64)$|^F64$|^Q8_[1K]$/.test(name)) return [];
    const plain = importance === "required" ? "needs one" : figure(rmseOf(codec, matrices, false));
    const used = importance === "ignored" ? "no change" : figure(rmseOf(codec, matrices, true));
    const bits = (blockByteLength * 8) / blockSize;
    return [[name, id, bits, blockSize, blockByteLength, plain, used]];
  });
  return rows.sort((a, b) => a[2] - b[2]);
}

/** One file, made by the built command, and its measurements. */
async function targetRow(llama, target, imatrix, seen) {
  const path = join(folder, `${target}.gguf`);
  const args = ["convert", hf, path, "--to", `gguf:${target}`, "--json", "--quiet", "--overwrite"];
  const bin = join(root, "packages/cli/dist/bin.js");
  const output = execFileSync(
    process.execPath,
    [bin, ...args, ...(imatrix ? ["--imatrix", imatrixPath] : [])],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    },
  );
  const report = JSON.parse(output);
  const bytes = readFileSync(path);
  const gguf = await openGguf(memorySource(bytes, path));
  const found = new Map();
  let tensorBytes = 0;
  let weights = 0;
  for (const tensor of gguf.tensors) {
    found.set(tensor.name, sha256(await gguf.read(tensor, 0, tensor.byteLength)));
    tensorBytes += tensor.byteLength;
    weights += tensor.shape.reduce((product, size) => product * size, 1);
  }
  const theirs = reference.files.find(
    (file) => file.target === target && file.imatrix === imatrix && file.converter !== true,
  );
  const equal = theirs.tensors.filter(([name, , sha]) => found.get(name) === sha).length;
  const all = sha256(Buffer.from([...found.values()].join()));
  if (llama !== undefined && !seen.has(all)) {
    seen.set(all, await withModel(llama, path, (model) => perplexity(model, heldout)));
  }
  rmSync(path);
  const squares = report.tensors.reduce(
    (sum, { shape, rmse = 0 }) => sum + rmse ** 2 * shape.reduce((product, size) => product * size, 1),
    0,
  );
  return [
    target,
    ((tensorBytes * 8) / weights).toFixed(3),
    bytes.length.toLocaleString("en"),
    figure(Math.sqrt(squares / weights)),
    seen.get(all)?.toFixed(3) ?? "–",
    theirs.perplexity.toFixed(3),
    equal === theirs.tensors.length ? "same" : `${equal} of ${theirs.tensors.length}`,
  ];
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const figure = (value) => (value === 0 ? "0" : value.toExponential(2));
const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

try {
  const loaded = await loadLlama();
  if ("reason" in loaded) console.error(`${loaded.reason}: no perplexities`);
  const llama = loaded.llama;
  const types = await typeRows();
  console.error(`${types.length} types`);
  const seen = new Map();
  const plain = [];
  const weighted = [];
  const refused = new Set(reference.refused.map(({ target }) => target));
  for (const { name } of fileTypes.filter((type) => type.name !== "COPY")) {
    if (!refused.has(name)) plain.push(await targetRow(llama, name, false, seen));
    weighted.push(await targetRow(llama, name, true, seen));
    console.error(name, ...weighted.at(-1).slice(4));
  }
  const head = [
    "target",
    "bits per weight",
    "bytes",
    "RMSE",
    "perplexity",
    "of llama-quantize's file",
    "tensor bytes",
  ];
  const client = JSON.parse(
    readFileSync(join(root, "node_modules/node-llama-cpp/package.json"), "utf8"),
  ).version;
  writeFileSync(
    page,
    `# GGUF types and targets

<!-- Written by scripts/make-type-table.mjs; do not edit. -->

Measured on the bundled model (\`fixtures/kjv\`, 2.3 million weights, trained on one book): use the figures to see what
a type costs and that our bytes are llama.cpp's, not to rank formats for another model.

## Types

What one tensor can be. RMSE is over the model's 21 layer matrices, without and with the importance matrix.

${table(["type", "id", "bits per weight", "weights per block", "bytes per block", "RMSE", "with imatrix"], types)}

## Targets

What a file can be: \`requant convert … --to gguf:TARGET\` from the Hugging Face directory, the mix of types as
llama-quantize chooses it. RMSE is over all tensors. *perplexity* is of our file, run by llama.cpp (node-llama-cpp
${client}, ${cpus()[0]?.model.trim()}) on \`heldout.txt\`: windows of 256 tokens, the second half scored. The next
column is what llama-perplexity 0.7.0 measured on the file that llama-quantize made; two builds of llama.cpp round
differently, so the columns differ a little even for the same bytes. The last column compares every tensor's bytes
with that file's.

${table(head, plain)}

## Targets with an importance matrix

The same with \`--imatrix\`, a matrix of 52 chunks of training text. Targets that are missing in the table above are
refused without one.

${table(head, weighted)}
`,
  );
  console.error(`wrote ${page}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
