import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { locate } from "../locate.ts";
import { installedPage } from "../page-files.ts";
import { startPageServer } from "../page-server.ts";
import { writeJson } from "../streams.ts";

/** Serves the page until Ctrl-C. */
export const ui: Handler = async (args, given, context) => {
  const { streams, signal, options } = context;
  const models = await Promise.all(args.map((argument) => locate(argument, context)));
  const server = await startPageServer({
    page: await installedPage(),
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
