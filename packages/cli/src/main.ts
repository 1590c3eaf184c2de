import { isCodecError } from "@requant/core";
import { CommanderError } from "commander";
import { buildProgram } from "./args.ts";
import { errorDocument, exitStatus, isAbort, namedFault, REPORT_HINT, statusOfError } from "./exit.ts";
import { showError } from "./render/error.ts";
import { spellOptions } from "./render/options.ts";
import { printableLines } from "./render/text.ts";
import type { Streams } from "./streams.ts";
import { usageError } from "./usage.ts";

/** What asks a command to stop; SIGHUP comes from a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Words that show help, which has examples. */
const HELP: readonly string[] = ["help", "--help", "-h"];

/**
 * Runs one command line and returns its exit status. Never throws and never ends the process, so that a test, or
 * another program, can call it.
 */
export async function main(argv: readonly string[], streams: Streams): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort();
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const json = argv.includes("--json");
  const debug = argv.includes("--debug");
  let status: number = exitStatus.done;
  const asksForHelp = argv.some((word) => HELP.includes(word));
  const examples = asksForHelp ? (await import("./examples.ts")).examplesText : undefined;
  const program = buildProgram(
    streams,
    abort.signal,
    (result) => {
      status = result;
    },
    examples,
  );
  try {
    await program.parseAsync([...argv], { from: "user" });
    return status;
  } catch (thrown) {
    const error = namedFault(thrown);
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitStatus.done;
      const named = program.commands.find((command) => command.name() === argv[0])?.name();
      showError(streams, json, errorDocument(usageError(error, named)).error);
      return exitStatus.usage;
    }
    showError(streams, json, await documentOf(error));
    if (!json && isCodecError(error) && error.code === "UNSUPPORTED") streams.err.write(`  ${REPORT_HINT}\n`);
    if (debug && error instanceof Error) streams.err.write(`${printableLines(error.stack ?? "")}\n`);
    return isAbort(error) || abort.signal.aborted ? exitStatus.interrupted : statusOfError(error);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, interrupt);
  }
}

/** The error as scripts get it, with a way out even where its message knows none. */
async function documentOf(error: unknown): Promise<Record<string, unknown>> {
  const document = errorDocument(error).error;
  if (document["hint"] !== undefined || !isCodecError(error)) return document;
  // loaded only now: most errors know their way out
  const { remedyOf } = await import("@requant/convert");
  const hint = remedyOf(error);
  return hint === undefined ? document : { ...document, hint: spellOptions(hint) };
}
