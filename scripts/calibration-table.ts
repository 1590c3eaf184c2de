/**
 * Writes docs/calibration.md: `pnpm calibration-table` runs the commands for each row. Needs REQUANT_GOLDEN; takes minutes. The
 * section "Cost" is made from bench/calibration.json.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as z from "zod/mini";
import { withCost } from "../bench/calibration-cost.ts";
import { CalibratedModels } from "./calibrated-models.ts";
import { type CalibrationRow, calibrationDocument, calibrationTargets } from "./calibration-page.ts";

const resultsSchema = z.array(z.looseObject({ name: z.string(), kl: z.number() }));

async function measuredRows(golden: string): Promise<CalibrationRow[]> {
  const results = resultsSchema.parse(JSON.parse(readFileSync(join(golden, "kjv/results.json"), "utf8")));
  const tools = new Map(results.map(({ name, kl }) => [name, 1000 * kl]));
  const models = new CalibratedModels(golden);
  const rows: CalibrationRow[] = [];
  try {
    for (const one of calibrationTargets) {
      const { kl: rounded } = await models.convert(one.target);
      const { kl: calibrated, byteLength } = await models.calibrated(one.target);
      const tool = one.reference === undefined ? undefined : tools.get(one.reference);
      rows.push({ ...one, byteLength, rounded, tool, calibrated });
      console.log(`${one.target}: ${rounded.toFixed(2)} → ${calibrated.toFixed(2)}`);
    }
  } finally {
    models.close();
  }
  return rows;
}

const golden = process.env["REQUANT_GOLDEN"];
if (golden === undefined) {
  console.error("Set REQUANT_GOLDEN to the folder of the golden set: the table is measured on its model.");
  process.exitCode = 1;
} else {
  const rows = await measuredRows(golden);
  const cost = JSON.parse(readFileSync(resolve(import.meta.dirname, "../bench/calibration.json"), "utf8"));
  writeFileSync(
    resolve(import.meta.dirname, "../docs/calibration.md"),
    withCost(calibrationDocument(rows), cost),
  );
  for (const { target, calibrated, goal = Number.POSITIVE_INFINITY } of rows) {
    if (calibrated > goal) console.log(`${target} misses its goal of ${goal}.`);
  }
}
