/**
 * Repositories of the Hugging Face hub, and of mirrors: `@requant/core/hub`. Runs in browsers as it is.
 * @module
 * @example
 * import { openHub, parseHubAddress } from "@requant/core/hub";
 *
 * const address = parseHubAddress("https://huggingface.co/owner/repo/tree/main");
 * if (address !== undefined) {
 *   const hub = await openHub({ repository: address.repository, revision: address.revision });
 *   const config = await hub.store().open("config.json"); // by ranges, not a download
 * }
 */

export {
  HUB_ENDPOINT,
  type HubAddress,
  type HubAddressOptions,
  parseHubAddress,
  parseModelName,
  shownHubAddress,
} from "./address.ts";
export { type HubFile, isCommit } from "./listing.ts";
export { type HubOptions, type HubRepository, hubStore, openHub } from "./store.ts";
