/** What a journal begins with. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { sourceVersions } from "../../model/source-versions.ts";
import { checksumOfCopy } from "../checksum-twin.ts";
import { statisticsInUse } from "../given-guides.ts";
import type { RunState } from "../run-state.ts";
import type { JournalHead } from "./journal.ts";

/**
 * Identifies the run by everything that decides its bytes: the plan without paths, the band length, the importance matrix, the
 * calibration statistics, the scales that are folded in, and the source.
 */
export async function headOf(run: RunState): Promise<JournalHead> {
  const { name: _, ...source } = run.plan.source;
  // the metadata holds the whole vocabulary; the checksum of the header covers it
  const files = run.plan.files.map((file) => ("metadata" in file ? { ...file, metadata: undefined } : file));
  const headers = run.layouts.map(({ header }) => checksumOfCopy(header));
  const targets = run.plan.targets?.map(({ target }) => target);
  const facts = { ...run.plan, source, files, headers, targets, findings: [], band: run.bandByteLength };
  const hash = sha256.create();
  hash.update(utf8ToBytes(JSON.stringify(facts)));
  const add = (name: string, numbers: Float32Array): void => {
    hash.update(utf8ToBytes(name));
    hash.update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  };
  for (const [name, columns] of run.importance) add(name, columns);
  for (const { name, meanAbs } of await statisticsInUse(run.tensors.values(), run.options))
    add(name, meanAbs);
  // a file of scales has them in another order than the search
  const scaled = [...(run.model.folding?.folded.inputs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, scales] of scaled) add(name, scales);
  return { run: bytesToHex(hash.digest()), source: await sourceVersions(run.model) };
}
