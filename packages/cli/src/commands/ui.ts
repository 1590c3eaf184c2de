import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { IoError } from "@requant/core";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { locate } from "../locate.ts";
import { startPageServer } from "../page-server.ts";
import { writeJson } from "../streams.ts";

/** The folder of the built page. */
function pageFolder(): string {
  try {
    return dirname(fileURLToPath(import.meta.resolve("@requant/web/index.html")));
  } catch (cause) {
    throw new IoError("The page is not installed: the package @requant/web is missing.", {
      cause,
      hint: "Install it: npm install @requant/web.",
    });
  }
}

/** Serves the page until Ctrl-C. */
export const ui: Handler = async (args, given, context) => {
  const { streams, signal, options } = context;
  const models = await Promise.all(args.map((argument) => locate(argument, context)));
  const server = await startPageServer({
    page: pageFolder(),
    models: models.map(({ store, file }) => ({ store, file })),
    host: String(given["host"]),
    port: Number(given["port"]),
  });
  try {
    if (options.json) writeJson(streams, { url: server.url });
    else streams.out.write(`${server.url}\n`);
    if (options.quiet !== true) streams.err.write("The page is at this address. Ctrl-C ends it.\n");
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    await server.close();
  }
  return exitStatus.done;
};
