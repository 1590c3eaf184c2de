/** The files inside the standalone executable. Node 24 has `getAssetKeys`; the types here are those of Node 20. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

interface Assets {
  getAsset(key: string): ArrayBuffer;
  getAsset(key: string, encoding: "utf8"): string;
  getAssetKeys(): string[];
}

export const assets: Assets = createRequire(pathToFileURL(process.execPath))("node:sea");
