/** Which options of a conversion are about a calibration text; small, for every conversion loads it. */
import { openStatisticsFile, type StatisticsFile, type StatisticsLocation } from "@requant/convert";
import { UsageError } from "@requant/core";

/** The text that comes with this program; a file of this name is given as ./builtin. */
export const BUILTIN = "builtin";

/** The options that say which text is read, and how. */
export interface CalibrationOptions {
  readonly calibrate?: string | undefined;
  readonly samples?: string | undefined;
  readonly window?: string | undefined;
  readonly seed?: string | undefined;
  readonly device?: string | undefined;
}

/** True for a text; a file of statistics has the ending of its format. */
export function isCalibrationText(calibrate: string | undefined): calibrate is string {
  return calibrate !== undefined && !/\.safetensors$/i.test(calibrate);
}

/** @throws UsageError for options about a text where there is none */
export function refuseWithoutText(given: CalibrationOptions): void {
  if (isCalibrationText(given.calibrate)) return;
  const flag = (["samples", "window", "seed", "device"] as const).find((name) => given[name] !== undefined);
  if (flag === undefined) return;
  const [what, hint] =
    given.calibrate === undefined
      ? ["no text is given", "Give one with --calibrate TEXT."]
      : ["the statistics are made already", "Leave it out, or give a text with --calibrate."];
  throw new UsageError(`The option --${flag} is about a calibration text, and ${what}.`, { hint });
}

/** Calls `use` with statistics that a plan can read; the run, and its workers, open the file again. */
export async function withStatistics<T>(
  location: StatisticsLocation,
  use: (statistics: StatisticsFile) => Promise<T>,
): Promise<T> {
  const file = await openStatisticsFile(location);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
