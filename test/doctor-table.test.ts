/**
 * `doctor` against llama.cpp: no file without an error may be one that llama.cpp does not run, and no file that it runs may have one,
 * over changes of one key, tensor or byte range each. The oracle is llama.cpp itself: recorded for all files, run again for a sample.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadLlama } from "../fixtures/llama-client.ts";
import {
  agrees,
  allRows,
  doctorDocument,
  editsOf,
  goldenDisagreements,
  goldenModel,
  measure,
  models,
  type Row,
  readGoldenRecord,
  readRecord,
  soundModel,
} from "../scripts/doctor-doc.ts";

const recorded = readRecord();
const client = await loadLlama();
let rows: ReadonlyMap<string, readonly Row[]> = new Map();

beforeAll(async () => {
  rows = await allRows(recorded);
}, 300_000);

describe("doctor and what was recorded of llama.cpp", () => {
  it("has at least 60 changes of the main model, of which llama.cpp runs some and refuses many", () => {
    const [main = ""] = models;
    const list = rows.get(main) ?? [];
    expect(list.length).toBeGreaterThanOrEqual(60);
    expect(list.filter(({ result }) => result.does === "runs").length).toBeGreaterThan(20);
    expect(list.filter(({ result }) => result.does === "aborts").length).toBeGreaterThan(5);
  });

  it.each(models)("agree about every change of %s", (model) => {
    const wrong = (rows.get(model) ?? [])
      .filter(({ result, findings }) => !agrees(result, findings))
      .map(({ edit, result, findings }) => ({
        edit: edit.name,
        llama: result,
        doctor: findings.map(({ severity, code }) => `${severity} ${code}`),
      }));
    expect(wrong).toEqual([]);
    expect(rows.get(model)?.length).toBeGreaterThan(40);
  });

  it("docs/doctor.md is current (pnpm doctor-table writes it)", () => {
    const page = readFileSync(resolve(import.meta.dirname, "../docs/doctor.md"), "utf8");
    expect(page).toBe(doctorDocument(rows));
  });
});

const golden = process.env["REQUANT_GOLDEN"];
const goldenRecord = readGoldenRecord();

describe.skipIf(golden === undefined)(
  `the golden set's families${golden === undefined ? " (skipped: REQUANT_GOLDEN is not set)" : ""}`,
  () => {
    it.each(Object.keys(goldenRecord))(
      "doctor and the record agree about every change of %s",
      async (name) => {
        const recorded = goldenRecord[name] ?? { runs: [], "no numbers": [], stops: 0 };
        expect(await goldenDisagreements(goldenModel(golden ?? "", name), recorded)).toEqual([]);
        expect(recorded.runs).toContain("nothing changed");
      },
      120_000,
    );
  },
);

describe.skipIf("reason" in client)(
  `llama.cpp itself${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    it("still does what was recorded with every ninth change of the main model (pnpm doctor-table runs all)", async () => {
      const [main = ""] = models;
      const folder = mkdtempSync(join(tmpdir(), "requant-doctor-"));
      try {
        const parts = await soundModel(main, folder);
        const sample = editsOf(main, parts).filter((_, i) => i % 9 === 4);
        const measured = await measure(parts, sample);
        const does = (results: typeof measured) => sample.map(({ name }) => [name, results[name]?.does]);
        expect(does(measured)).toEqual(does(recorded[main] ?? {}));
        expect(sample.length).toBeGreaterThan(10);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }, 300_000);
  },
);
