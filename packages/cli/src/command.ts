/** What `bin.ts` starts: the command line of this process. */
import { writeSync } from "node:fs";
import { lostResults } from "./lost-results.ts";
import { main } from "./main.ts";

const argv = process.argv.slice(2);
let lost: Error | undefined;
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // a reader that has seen enough, such as head, is no fault
    if (error.code !== "EPIPE") lost ??= error;
  });
}
process.on("exit", () => {
  if (lost === undefined) return;
  const { status, text } = lostResults(lost, argv.includes("--json"));
  process.exitCode = status;
  try {
    writeSync(2, text);
  } catch {
    // nowhere left to say it
  }
});
main(argv, { input: process.stdin, out: process.stdout, err: process.stderr }).then((status) => {
  process.exitCode = status;
});
