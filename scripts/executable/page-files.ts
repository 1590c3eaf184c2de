/** Takes the place of `packages/cli/src/page-files.ts`: the page is inside the executable. */
import type { PageFiles } from "../../packages/cli/src/page-files.ts";
import { assets } from "./assets.ts";

const PREFIX = "page/";

export async function installedPage(): Promise<PageFiles> {
  const keys = assets.getAssetKeys().filter((key) => key.startsWith(PREFIX));
  return new Map(
    keys.map((key) => [`/${key.slice(PREFIX.length)}`, async () => new Uint8Array(assets.getAsset(key))]),
  );
}
