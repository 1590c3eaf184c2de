import type { Plugin } from "vite";
import { licenceNotices } from "../../scripts/licence-notices.ts";

/**
 * Writes the licences of the libraries that are in the page. Workers are built on their own, before the page: `inWorkers` notes
 * their files, and `inPage` writes what is in either.
 */
export function licences(): { readonly inWorkers: () => Plugin; readonly inPage: Plugin } {
  const files = new Set<string>();
  const collect: Plugin["generateBundle"] = (_options, bundle) => {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== "chunk") continue;
      for (const file of Object.keys(chunk.modules)) if (file.startsWith("/")) files.add(file);
    }
  };
  return {
    inWorkers: () => ({ name: "licences-of-workers", generateBundle: collect }),
    inPage: {
      name: "licences",
      apply: "build",
      generateBundle(options, bundle, isWrite) {
        collect.call(this, options, bundle, isWrite);
        this.emitFile({
          type: "asset",
          fileName: "THIRD-PARTY-NOTICES.txt",
          source: licenceNotices([...files]),
        });
      },
    },
  };
}
