/** The parts of a plan whose files a server takes in chunks: machines share the server alone. */
import { IoError, type SharedUploads, UsageError } from "@requant/core";
import { runInto } from "../engine.ts";
import { begunUploads } from "./abandon-parts.ts";
import type { OpenWork } from "./open-work.ts";
import { made, type PartsPlace, pieceCountOf, published } from "./parts-place.ts";
import type { PlannedUpload } from "./saved-plan.ts";
import { Chunks } from "./upload-chunks.ts";
import { UploadFinish } from "./upload-finish.ts";
import { UploadPartOutput } from "./upload-part-output.ts";

/** By file, what the server has by index; undefined for a file that it has put together already. */
type Found = Map<number, ReadonlyMap<number, string> | undefined>;

export function uploadParts(open: OpenWork, planned: readonly PlannedUpload[]): PartsPlace {
  const { output, parts, layouts } = open;
  if (output.shareUploads === undefined) {
    throw new UsageError("The plan was saved for an output on a server, and this is none.", {
      path: output.name,
      hint: "Save the plan again for this output.",
    });
  }
  const begun = begunUploads(open.saved.plan, planned);
  const uploads = output.shareUploads(open.name, begun);
  const chunks = new Chunks(parts.work, begun);
  const allFiles = [...layouts.keys()];
  return {
    mostParts: chunks.count,
    async run(number, options) {
      const owned = chunks.ownedBy(parts, number);
      const files = allFiles.filter((file) => chunks.ofFile(file).some((chunk) => owned.has(chunk.number)));
      const found = await find(open, uploads, files);
      const work = chunks.workFor(parts, owned);
      const counts = { pieceCount: pieceCountOf(work), byteLength: chunks.byteLengthOf(owned) };
      if (files.length > 0 && files.every((file) => found.get(file) === undefined)) return published(counts);
      const run = open.stateOf(work, options);
      const place = { uploads, parts, chunks, number, owned, found: lookup(found), head: await open.head() };
      const part = new UploadPartOutput(run, place);
      await runInto(run, part);
      return made({ ...counts, madeCount: part.made });
    },
    async finish(options) {
      // before the logs are read: a finish that ends meanwhile removes them
      const head = await open.head();
      const found = await find(open, uploads, allFiles);
      if (allFiles.every((file) => found.get(file) === undefined)) {
        await uploads.remove();
        return undefined;
      }
      // nothing is left to compute
      const run = open.stateOf(parts.work, { ...options, workers: undefined });
      const place = { uploads, store: output, parts, chunks, head, found: lookup(found) };
      await runInto(run, new UploadFinish(run, place));
      await uploads.remove();
      return run;
    },
  };
}

function lookup(found: Found): (file: number) => ReadonlyMap<number, string> | undefined {
  return (file) => found.get(file);
}

/** @throws IoError where the server has neither the upload of a file nor the file */
async function find(open: OpenWork, uploads: SharedUploads, files: readonly number[]): Promise<Found> {
  const found: Found = new Map();
  for (const file of files) {
    const upload = uploads.files[file];
    const sent = await upload?.parts();
    // asked in either case, because another file with this name is refused
    const isThere = await open.hasFile(file);
    if (isThere || sent !== undefined) {
      found.set(file, isThere ? undefined : sent);
      continue;
    }
    throw new IoError("The server has dropped the upload before it was complete.", {
      path: upload?.name,
      hint: "Save a new plan, and run all its parts. A rule of the bucket may remove unfinished uploads.",
      reason: "upload-dropped",
    });
  }
  return found;
}
