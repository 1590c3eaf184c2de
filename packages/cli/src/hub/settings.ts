/** What the environment says of the hub, under the names that `hf` reads (huggingface_hub, `constants.py`). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HUB_ENDPOINT } from "@requant/core/hub";
import { checkedSecret, secretFrom } from "../secret.ts";
import { cacheHome, folderFrom } from "../user-folders.ts";

export interface HubSettings {
  readonly endpoint: string;
  /** The folder of the download cache. */
  readonly cacheFolder: string;
  /** Nothing may be asked of the hub. */
  readonly isOffline: boolean;
  readonly token: string | undefined;
}

/** @throws UsageError for a token that cannot be sent */
export async function hubSettings(environment: NodeJS.ProcessEnv): Promise<HubSettings> {
  const home = folderFrom(environment, "HF_HOME") ?? join(cacheHome(environment), "huggingface");
  return {
    endpoint: environment["HF_ENDPOINT"]?.trim() || HUB_ENDPOINT,
    cacheFolder:
      folderFrom(environment, "HF_HUB_CACHE") ??
      folderFrom(environment, "HUGGINGFACE_HUB_CACHE") ??
      join(home, "hub"),
    isOffline: isTrue(environment["HF_HUB_OFFLINE"]) || isTrue(environment["TRANSFORMERS_OFFLINE"]),
    token: isTrue(environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"])
      ? undefined
      : (secretFrom(environment, "HF_TOKEN") ??
        secretFrom(environment, "HUGGING_FACE_HUB_TOKEN") ??
        (await storedToken(folderFrom(environment, "HF_TOKEN_PATH") ?? join(home, "token")))),
  };
}

/** What `hf auth login` has stored; undefined where there is no such file, or it cannot be read. */
async function storedToken(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return checkedSecret(text, `The token file ${path}`);
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((value ?? "").trim().toUpperCase());
}
