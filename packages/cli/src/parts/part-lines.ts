/** `run --part -`: parts that another program asks for, one a line, and an answer of one line of JSON for each. */
import { createInterface } from "node:readline";
import type { PartNumber, PartReport } from "@requant/convert";
import { UsageError } from "@requant/core";
import type { Context } from "../context.ts";
import { errorDocument, exitStatus, isAbort, statusOfError } from "../exit.ts";
import { writeJson } from "../streams.ts";
import { parsePart } from "./part-number.ts";

/** Runs parts until the input ends. @returns the status of the first that failed */
export async function runLines<O>(
  parts: { run(number: PartNumber, options: O): Promise<PartReport> },
  context: Context,
  options: O,
): Promise<number> {
  const { input } = context.streams;
  if (input === undefined) {
    throw new UsageError("There is no standard input to read the numbers of parts from.", {
      hint: "Give one part: --part 1/16.",
    });
  }
  let status: number = exitStatus.done;
  for await (const line of createInterface({ input })) {
    if (line.trim() === "") continue;
    try {
      const report: PartReport = await parts.run(parsePart(line), options);
      writeJson(context.streams, report);
    } catch (error) {
      writeJson(context.streams, errorDocument(error));
      if (isAbort(error)) return exitStatus.interrupted;
      if (status === exitStatus.done) status = statusOfError(error);
    }
  }
  return status;
}
