import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/** Writes the service worker with the list of all files of the build, so that the page works offline after the first load. */
export function offlineFiles(): Plugin {
  return {
    name: "offline-files",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const files = Object.keys(bundle).filter((name) => !name.endsWith(".map"));
      const paths = ["./", "icon.svg", ...files.filter((name) => name !== "index.html")].sort();
      const version = createHash("sha256").update(JSON.stringify(paths)).digest("hex").slice(0, 16);
      this.emitFile({ type: "asset", fileName: "offline.js", source: serviceWorker(version, paths) });
    },
  };
}

function serviceWorker(version: string, paths: readonly string[]): string {
  return `const CACHE = ${JSON.stringify(`requant-${version}`)};
const PATHS = ${JSON.stringify(paths)};
const here = (path) => new URL(path, self.registration.scope).href;
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(PATHS.map(here))).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) =>
    Promise.all(names.filter((name) => name.startsWith("requant-") && name !== CACHE).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  // models are never cached, and neither is anything of another server
  if (request.method !== "GET" || request.headers.has("range")) return;
  const url = new URL(request.url);
  const path = url.origin + url.pathname;
  if (!PATHS.some((known) => here(known) === path)) return;
  event.respondWith(caches.open(CACHE).then((cache) => cache.match(path)).then((found) => found ?? fetch(request)));
});
`;
}
