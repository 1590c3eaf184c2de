/** A saved plan that is open, and what its parts and its end have in common wherever the output is. */
import type { Model } from "../../model/model.ts";
import type { FileLayout } from "../../plan/files/layout.ts";
import type { JournalHead } from "../outputs/journal.ts";
import { headOf } from "../outputs/journal-head.ts";
import { type OutputStore, outputExists } from "../outputs/store.ts";
import { beginsWith } from "../outputs/written-header.ts";
import type { Work } from "../pieces.ts";
import type { RunOptions } from "../run-options.ts";
import { RunState } from "../run-state.ts";
import { workName } from "./abandon-parts.ts";
import type { PartWork } from "./part-work.ts";
import type { SavedPlan } from "./saved-plan.ts";

/** What a part or the finish may be told besides the plan. */
export type PartOptions = Pick<RunOptions, "signal" | "check" | "workers" | "onProgress">;

export const FOREIGN_HINT = "Move that file away, or save the plan again with `overwrite`.";

export class OpenWork {
  readonly saved: SavedPlan;
  readonly output: OutputStore;
  readonly layouts: readonly FileLayout[];
  readonly parts: PartWork;
  private readonly model: Model;
  private readonly guides: Pick<RunOptions, "imatrix" | "statistics">;
  private knownHead: Promise<JournalHead> | undefined;

  constructor(
    saved: SavedPlan,
    places: { readonly model: Model; readonly output: OutputStore },
    work: { readonly layouts: readonly FileLayout[]; readonly parts: PartWork },
    guides: Pick<RunOptions, "imatrix" | "statistics">,
  ) {
    this.saved = saved;
    this.model = places.model;
    this.output = places.output;
    this.layouts = work.layouts;
    this.parts = work.parts;
    this.guides = guides;
  }

  /** The name of the work in the output's store. */
  get name(): string {
    return workName(this.saved);
  }

  stateOf(work: Work, options: PartOptions): RunState {
    const { saved, model, layouts, guides } = this;
    const { allowNonFinite } = saved.options;
    return new RunState(saved.plan, model, layouts, work, { ...guides, ...options, allowNonFinite });
  }

  head(): Promise<JournalHead> {
    this.knownHead ??= headOf(this.stateOf(this.parts.work, {})).catch((error: unknown) => {
      // a source that did not answer is asked again by the next part
      this.knownHead = undefined;
      throw error;
    });
    return this.knownHead;
  }

  /**
   * Whether the finished files are there. @throws IoError where other files have their names, and may not be replaced
   */
  async isPublished(): Promise<boolean> {
    let found = 0;
    for (const file of this.layouts.keys()) if (await this.hasFile(file)) found += 1;
    return found === this.layouts.length;
  }

  /**
   * Whether one finished file is there: it begins as planned. A file that was there when the plan was saved is refused then, or
   * known by its version: another plan's file may begin as this one's.
   * @throws IoError where another file has its name, and may not be replaced
   */
  async hasFile(index: number): Promise<boolean> {
    const layout = this.layouts[index];
    if (layout === undefined) return false;
    const { file, header } = layout;
    const { overwrite = false, replaces = {} } = this.saved.options;
    const source = await this.output.open(file.name);
    if (source === undefined) return false;
    try {
      const isOld = Object.hasOwn(replaces, file.name) && replaces[file.name] === (source.version ?? null);
      const isOwn = !isOld && source.byteLength === file.byteLength && (await beginsWith(source, header));
      if (isOwn || overwrite) return isOwn;
      throw outputExists(this.output, file.name, "it is not what this plan makes", FOREIGN_HINT);
    } finally {
      await source.close();
    }
  }
}
