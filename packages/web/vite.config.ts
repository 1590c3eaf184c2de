import { defineConfig } from "vite";
import { licences } from "./licences.ts";
import { offlineFiles } from "./offline-files.ts";

const notices = licences();

export default defineConfig({
  // every address is relative: the page works under any path
  base: "./",
  // from sources, module by module: what a view does not need is not loaded with it
  resolve: { conditions: ["@requant/source"] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    sourcemap: false,
    // nothing inline: the content security policy allows files of this server only
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es", plugins: () => [notices.inWorkers()] },
  plugins: [notices.inPage, offlineFiles()],
});
