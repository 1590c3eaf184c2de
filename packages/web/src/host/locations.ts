/** From what the page was told to where the bytes are. */
import type { ModelLocation } from "@requant/convert";
import { blobStore, UsageError, urlStore } from "@requant/core";
import type { OpenRequest } from "../open/open-request.ts";

export function locationOf(request: OpenRequest, signal: AbortSignal): ModelLocation {
  if (request.kind === "files") {
    return { store: blobStore(request.files, request.name), file: request.file };
  }
  return addressLocation(request.text.trim(), signal);
}

function addressLocation(text: string, _signal: AbortSignal): ModelLocation {
  if (!URL.canParse(text)) {
    throw new UsageError("This is not an address.", { hint: "Write https://…, or owner/repo of the hub." });
  }
  const url = new URL(text);
  const file = url.pathname.split("/").at(-1) ?? "";
  if (!/\.(gguf|safetensors|json)$/i.test(file)) return { store: urlStore(text), file: undefined };
  const base = new URL(url);
  base.pathname = url.pathname.slice(0, url.pathname.length - file.length);
  return { store: urlStore(base.href), file: decodeURIComponent(file) };
}
