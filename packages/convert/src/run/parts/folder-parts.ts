/** The parts of a plan whose output is a folder that all machines share. */
import { type SharedWork, UsageError } from "@requant/core";
import { runInto } from "../engine.ts";
import { byteLengthOf } from "../pieces.ts";
import { FinishOutput } from "./finish-output.ts";
import type { OpenWork } from "./open-work.ts";
import { PartOutput } from "./part-output.ts";
import { made, type PartsPlace, pieceCountOf, published } from "./parts-place.ts";

export function folderParts(open: OpenWork): PartsPlace {
  const { output, parts } = open;
  const share = async (make: boolean): Promise<SharedWork | undefined> => {
    if (output.share === undefined) {
      throw new UsageError("Parts need an output that several processes can write in place.", {
        path: output.name,
        hint: "Write into a folder that all machines share.",
      });
    }
    return output.share(open.name, { make });
  };
  return {
    mostParts: parts.work.jobs.length,
    async run(number, options) {
      const work = parts.workOf(number);
      const byteLength = work.jobs.reduce((sum, { pieces }) => sum + byteLengthOf(pieces), 0);
      const counts = { pieceCount: pieceCountOf(work), byteLength };
      const begun = await share(false);
      if (begun === undefined && (await open.isPublished())) return published(counts);
      const shared = begun ?? (await share(true));
      if (shared === undefined || (await shared.isPublishing())) return published(counts);
      const run = open.stateOf(work, options);
      const part = await PartOutput.open(run, { shared, parts, number, head: await open.head() });
      await runInto(run, part);
      return made({ ...counts, madeCount: part.made.size });
    },
    async finish(options) {
      const shared = await share(false);
      if (shared === undefined) {
        if (await open.isPublished()) return undefined;
        throw new UsageError("No part of the plan was run yet.", {
          path: output.name,
          hint: "Run all parts first.",
          reason: "parts-missing",
        });
      }
      const run = open.stateOf(parts.work, options);
      await runInto(run, await FinishOutput.open(run, { shared, parts, head: await open.head() }));
      return run;
    },
  };
}
