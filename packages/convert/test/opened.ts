/** What tests open and make, and what must be closed and removed after them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach } from "vitest";
import { type Model, type ModelLocation, openModel } from "../src/index.ts";

/** Opens models; each is closed after the test that opened it. */
export function modelOpener(): (location: ModelLocation) => Promise<Model> {
  const opened: Model[] = [];
  afterEach(async () => {
    for (const model of opened.splice(0)) await model.close();
  });
  return async (location) => {
    const model = await openModel(location);
    opened.push(model);
    return model;
  };
}

/** A new folder, which is removed after the tests of the file. */
export function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
