/** A repository of the hub as an output. */
import { resolve } from "node:path";
import { shownUrl, UsageError } from "@requant/core";
import { parseHubAddress, shownHubAddress } from "@requant/core/hub";
import { withoutTrailing } from "@requant/core/text";
import type { AskedPlace, RemotePlace } from "../../remote-output.ts";
import { workFolder } from "../../user-folders.ts";
import { hubSettings } from "../settings.ts";
import { cardPreview } from "./card-facts.ts";
import type { HubTarget } from "./target.ts";
import { uploadToHub } from "./upload.ts";

/** `hf:owner/repo[@branch][/folder]`; for a target of one file also `hf:owner/repo/file.gguf`. */
export async function hubOutput({
  argument,
  singleFile,
  environment,
  options,
}: AskedPlace): Promise<RemotePlace> {
  const address = parseHubAddress(argument);
  if (address === undefined || address.quantization !== undefined) {
    throw new UsageError(`${shownUrl(argument)}: not a repository that can be written to.`, {
      hint: "Write hf:owner/repo, hf:owner/repo@branch, hf:owner/repo/folder, or, for a target of one file, hf:owner/repo/file.gguf.",
    });
  }
  const { endpoint, token, isOffline } = await hubSettings(environment);
  if (isOffline) {
    throw new UsageError(
      "Under HF_HUB_OFFLINE nothing is asked of the hub, so nothing can be written to it.",
      {
        hint: "Unset HF_HUB_OFFLINE.",
      },
    );
  }
  const parts = address.path?.split("/") ?? [];
  const last = parts.at(-1);
  const name = singleFile && last !== undefined && /\.gguf$/i.test(last) ? last : undefined;
  const below = name === undefined ? parts : parts.slice(0, -1);
  const folder = below.map((part) => `${part}/`).join("");
  const { repository, revision } = address;
  const target: HubTarget = {
    endpoint: withoutTrailing(endpoint, "/"),
    token,
    repository,
    branch: revision ?? "main",
    folder,
    isPrivate: options.isPrivate === true,
    stage: options.stage === undefined ? undefined : resolve(options.stage),
    workFolder: workFolder(environment, "uploads"),
  };
  return {
    name,
    remote: {
      folder: `${shownHubAddress({ repository, revision })}/${folder}`,
      run: (plan, model, run, context) => uploadToHub(target, plan, model, run, context),
      preview: (plan, model, context) => cardPreview(target, plan, model, context),
    },
  };
}
