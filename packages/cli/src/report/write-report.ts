/** Where the report of `doctor --report` goes. */
import type { DoctorReport } from "@requant/convert";
import { isCodecError } from "@requant/core";
import { fileSink } from "@requant/core/node";
import type { Context } from "../context.ts";
import { exitStatus, isAbort } from "../exit.ts";
import { locate } from "../locate.ts";
import type { Location } from "../location.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";
import { reportText } from "./report.ts";

interface ReportRequest {
  readonly argument: string | undefined;
  readonly file: string;
  readonly target: string | undefined;
  readonly overwrite: boolean;
}

/**
 * Examines a model, where one is given, and writes the report. What goes wrong in the examination is a part of the report.
 * @throws IoError where there is no model at the place, or the file exists; UsageError for a wrong argument
 */
export async function reportFor(
  { argument, file, target, overwrite }: ReportRequest,
  context: Context,
  examine: ((location: Location) => Promise<DoctorReport>) | undefined,
): Promise<number> {
  const location = argument === undefined ? undefined : await locate(argument, context);
  let findings: DoctorReport | undefined;
  let fault: unknown;
  try {
    findings = location === undefined ? undefined : await examine?.(location);
  } catch (error) {
    const isForUser = isCodecError(error) && (error.code === "IO" || error.code === "USAGE");
    if (isForUser || isAbort(error)) throw error;
    fault = error;
  }
  const text = await reportText({
    location,
    findings,
    fault,
    target,
    signal: context.signal,
    given: argument === undefined ? [file] : [argument, file],
  });
  if (file === "-") context.streams.out.write(text);
  else await writeText(file, text, overwrite);
  if (file !== "-" && context.options.json) writeJson(context.streams, { report: file });
  tell("Read the report before you attach it to an issue: it says itself what is in it.", context);
  return exitStatus.done;
}

async function writeText(path: string, text: string, overwrite: boolean): Promise<void> {
  const sink = await fileSink(path, { overwrite });
  try {
    await sink.write(new TextEncoder().encode(text));
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
