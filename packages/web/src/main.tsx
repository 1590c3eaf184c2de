import { render } from "preact";
import { App } from "./app.tsx";
import { openAll } from "./state/models.ts";
import "./styles.css";

// `requant ui MODEL` gives the addresses of its models after the #
const { hash } = globalThis.location;
const addresses = new URLSearchParams(hash.slice(1)).getAll("open");
if (addresses.length > 0) openAll(addresses.map((text) => ({ kind: "address", text })));

const place = document.getElementById("app");
if (place !== null) render(<App />, place);

// the page works offline after the first load; a page that is opened from a server without HTTPS has no such workers
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("./offline.js").catch(() => {
    // a browser that refuses, as in a private window, loses nothing but this
  });
}
