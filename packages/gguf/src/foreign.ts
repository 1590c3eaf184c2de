import { byteText, type CodecError, FormatError, UnsupportedError } from "@requant/core";
import { GGUF_MAGIC } from "./constants.ts";

/** Formats that carry weights for llama.cpp and came before GGUF; their magic is a little-endian u32. */
const oldFormats: Readonly<Record<string, string>> = {
  lmgg: "the unversioned GGML format of 2022",
  fmgg: "the GGMF format of early 2023",
  tjgg: "the GGJT format of 2023",
  algg: "the GGLA format of LoRA adapters",
};

/** The error for a file that does not begin with GGUF: names the format of the file, where its first bytes show it. */
export function explainMagic(start: Uint8Array, path: string | undefined): CodecError {
  const text = byteText(start.subarray(0, 64));
  const place = { path, offset: 0 };
  const old = oldFormats[text.slice(0, 4)];
  if (old !== undefined) {
    return new UnsupportedError(`The file is in ${old}, which is not supported.`, {
      ...place,
      hint: "Convert the original model to GGUF, or use a llama.cpp of August 2023 to convert this file.",
      reason: "old-format",
    });
  }
  const fault = (message: string, hint?: string, reason?: string): FormatError =>
    new FormatError(message, { ...place, hint, reason });
  if (start.byteLength < GGUF_MAGIC.length) {
    return fault(
      `The file has only ${start.byteLength} bytes: too few for a GGUF file.`,
      "Download it again.",
      "truncated",
    );
  }
  if (text.startsWith("version https://git-lfs")) {
    return fault(
      "The file is a Git-LFS pointer: the weights were never downloaded.",
      "Run `git lfs pull`.",
      "lfs-pointer",
    );
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) {
    return fault(
      "The file is a web page, not a model.",
      "The download link needs a login, or is wrong.",
      "web-page",
    );
  }
  if (start.subarray(0, 64).every((byte) => byte === 0)) {
    return fault(
      "The file begins with zeros: it was reserved on disk but never written.",
      "Download it again.",
      "never-written",
    );
  }
  if (text.startsWith("PK\u0003\u0004")) {
    return fault(
      "The file is a zip archive, such as PyTorch writes, not GGUF.",
      "Convert the model to safetensors.",
      "pickle",
    );
  }
  if (text[8] === "{") return fault("The file looks like safetensors, not GGUF.", "Open it as safetensors.");
  const found = [...start.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return fault(`The file begins with the bytes ${found}, not with "GGUF".`);
}
