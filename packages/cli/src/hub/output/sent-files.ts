/** Which files of an upload are made and sent, so that a later run does not make them again. */
import type { PlanReport } from "@requant/convert";
import * as z from "zod";
import type { UploadState } from "../../upload-state.ts";

/** What was measured of a tensor; a report has the rest. */
const measuredTensor = z.looseObject({ index: z.number() });

const madeFile = z.object({
  name: z.string(),
  byteLength: z.number(),
  sha256: z.string(),
  /** Of the tensors whose bytes are in the file. */
  tensors: z.array(measuredTensor),
});

/** A file that was made, and its content. */
export type MadeFile = z.infer<typeof madeFile>;

const line = z.union([
  z.object({ run: z.string() }),
  z.object({ made: madeFile }),
  z.object({ sent: z.string() }),
]);

type Line = z.infer<typeof line>;

export interface SentFiles {
  /** False where an earlier run was another one: nothing of it is used. */
  readonly isSameRun: boolean;
  readonly made: ReadonlyMap<string, MadeFile>;
  readonly sent: ReadonlySet<string>;
  /** Drops what an earlier run noted, unless this run continues it. */
  begin(): Promise<void>;
  noteMade(file: MadeFile): Promise<void>;
  noteSent(name: string): Promise<void>;
}

/** @param run names the run; see `runIdentity` */
export function sentFiles(state: UploadState, run: string, resume: boolean): SentFiles {
  const made = new Map<string, MadeFile>();
  const sent = new Set<string>();
  const lines = resume ? linesOf(state.journal) : [];
  const [first] = lines;
  const isSameRun = first !== undefined && "run" in first && first.run === run;
  const log = (each: Line): Promise<void> => state.log(new TextEncoder().encode(`${JSON.stringify(each)}\n`));
  if (isSameRun) {
    for (const each of lines) {
      if ("made" in each) made.set(each.made.name, each.made);
      if ("sent" in each) sent.add(each.sent);
    }
  }
  return {
    isSameRun,
    made,
    sent,
    async begin() {
      if (isSameRun) return;
      await state.cutJournal(0);
      await log({ run });
    },
    async noteMade(file) {
      made.set(file.name, file);
      await log({ made: file });
    },
    async noteSent(name) {
      sent.add(name);
      await log({ sent: name });
    },
  };
}

/** All lines up to the first that is incomplete. */
function linesOf(journal: Uint8Array): Line[] {
  const lines: Line[] = [];
  for (const text of new TextDecoder().decode(journal).split("\n")) {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return lines;
    }
    const { data } = line.safeParse(json);
    if (data === undefined) return lines;
    lines.push(data);
  }
  return lines;
}

/** The measured parts of a report's tensors. */
export function measuredTensors(report: PlanReport, planned: PlanReport): MadeFile["tensors"] {
  return report.tensors.flatMap((tensor, index) => {
    const known = new Set(Object.keys(planned.tensors[index] ?? {}));
    const own = Object.entries(tensor).filter(([key]) => !known.has(key));
    return own.length === 0 ? [] : [{ index, ...Object.fromEntries(own) }];
  });
}

/** A plan's report with what was measured as the files were made. */
export function withMeasured(planned: PlanReport, files: Iterable<MadeFile>): PlanReport {
  const tensors = [...planned.tensors];
  for (const { tensors: measured } of files) {
    for (const { index, ...own } of measured) {
      const tensor = tensors[index];
      if (tensor !== undefined) tensors[index] = { ...tensor, ...own };
    }
  }
  return { ...planned, tensors };
}
