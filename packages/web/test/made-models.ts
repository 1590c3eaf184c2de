/** Models that tests make from the bundled one. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openModel, parseTarget, planConversion, runPlan } from "@requant/convert";
import { directoryStore } from "@requant/core/node";

const kjv = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");

/** A folder that is gone after the tests. */
export class MadeModels {
  readonly folder: string = mkdtempSync(join(tmpdir(), "requant-web-"));

  /** The bundled model in another format. @returns the paths of its files, to be chosen together */
  async kjv(target: string): Promise<readonly string[]> {
    const output = mkdtempSync(join(this.folder, "kjv-"));
    const model = await openModel({ store: directoryStore(kjv) });
    try {
      const plan = await planConversion(model, parseTarget(target), { outputName: "kjv" });
      await runPlan(plan, model, directoryStore(output));
    } finally {
      await model.close();
    }
    const names = readdirSync(output, { recursive: true, encoding: "utf8" });
    return names.map((name) => join(output, name)).filter((path) => statSync(path).isFile());
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
