/** Where the report of `doctor --report` goes. */
import { basename, dirname, resolve } from "node:path";
import { type DoctorReport, parseTargets, refuseSourceFiles, sourceFilesAt } from "@requant/convert";
import { isCodecError, UsageError } from "@requant/core";
import { directoryStore, fileSink } from "@requant/core/node";
import type { Context } from "../context.ts";
import { exitStatus, isAbort, statusOfError } from "../exit.ts";
import { locate } from "../locate.ts";
import type { Location } from "../location.ts";
import { countedFindings } from "../render/findings.ts";
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
  if (file.trim() === "") {
    throw new UsageError("The name of the report is empty.", {
      hint: "Give --report report.json, or - for standard output.",
    });
  }
  // a wrong word is refused before anything is read
  if (target !== undefined) parseTargets(target);
  const location = argument === undefined ? undefined : await locate(argument, context);
  if (location !== undefined && file !== "-") await refuseFileOfModel(file, location);
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
  const status = statusOf(findings, fault);
  const found = findings === undefined ? undefined : countedFindings(findings.findings);
  if (file !== "-" && context.options.json) writeJson(context.streams, { report: file });
  tell("Read the report before you attach it to an issue: it says itself what is in it.", context);
  const place = file === "-" ? "The report" : file;
  tell(`${place}: ${found === undefined ? "" : `${found}; `}attach it to the issue.`, context);
  return status;
}

/** The status that `doctor` would have without a report. */
function statusOf(findings: DoctorReport | undefined, fault: unknown): number {
  if (fault !== undefined) return statusOfError(fault);
  return findings?.ok === false ? exitStatus.different : exitStatus.done;
}

/** @throws UsageError for a report that would replace a file of the model, which need not open */
async function refuseFileOfModel(file: string, { store, file: named }: Location): Promise<void> {
  const path = resolve(file);
  await refuseSourceFiles(await sourceFilesAt({ store, file: named }), directoryStore(dirname(path)), [
    basename(path),
  ]);
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
