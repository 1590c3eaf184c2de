/**
 * Files of a browser: `@requant/core/web`. A folder that a person chose, or the browser's own storage, as a store.
 * @module
 * @example
 * import { browserStore } from "@requant/core/web";
 *
 * const storage = await browserStore(await navigator.storage.getDirectory(), { overwrite: true });
 * const sink = await storage.create("model.gguf");
 * await sink.write(new Uint8Array([0x47, 0x47, 0x55, 0x46]));
 * await sink.close(); // until here, nothing has the name
 */
export { type BrowserStoreOptions, browserStore } from "./store.ts";
