/** A plan for statistics of a text, as a file: all that another machine needs to make a part of them, but for secrets. */
import { FormatError } from "@requant/core";
import * as z from "zod/mini";
import {
  checkedDocument,
  type GuideFile,
  guideFileSchema,
  parseJson,
  type SavedSource,
  savedHash,
  savedText,
  sourceSchema,
  withId,
} from "../../run/parts/saved-document.ts";
import { checkedPlan, type SavedPlan } from "../../run/parts/saved-plan.ts";

/** What is saved. */
export interface StatisticsPlanContent {
  readonly source: SavedSource;
  /** The file of the text; undefined for the text that comes with the program. */
  readonly text?: GuideFile | undefined;
  readonly options: {
    readonly window?: number | undefined;
    readonly samples?: number | undefined;
    readonly seed?: number | undefined;
    readonly overwrite?: boolean | undefined;
    /** Version of the file that was there when the plan was saved, and that it replaces. */
    readonly replaces?: string | null | undefined;
  };
  /** The folder of the finished file, and its name. */
  readonly output: string;
  readonly file: string;
  /** Of the finished file. */
  readonly byteLength: number;
  /** Identifies the model's shapes and the tokens of all windows. */
  readonly run: string;
  readonly windows: number;
  /** Tokens of a window. */
  readonly window: number;
  /** Runs of windows that are summed by themselves: no part is smaller. */
  readonly slices: number;
}

/** A plan for statistics. Plain JSON. */
export interface SavedStatisticsPlan extends StatisticsPlanContent {
  readonly kind: typeof KIND;
  readonly version: typeof VERSION;
  /** SHA-256 of everything else. */
  readonly id: string;
}

const KIND = "requant-statistics-plan";
const VERSION = 1;

const count: z.ZodMiniNumber = z.int().check(z.positive());
const schema: z.ZodMiniType<SavedStatisticsPlan> = z.object({
  kind: z.literal(KIND),
  version: z.literal(VERSION),
  id: savedHash,
  source: sourceSchema,
  text: z.optional(guideFileSchema),
  options: z.object({
    window: z.optional(count),
    samples: z.optional(count),
    seed: z.optional(z.int()),
    overwrite: z.optional(z.boolean()),
    replaces: z.optional(z.nullable(z.string())),
  }),
  output: savedText.check(z.minLength(1)),
  file: savedText.check(z.minLength(1)),
  byteLength: count,
  run: savedHash,
  windows: count,
  window: count,
  slices: count,
});

/** A plan with its id. */
export function savedStatisticsPlan(content: StatisticsPlanContent): SavedStatisticsPlan {
  return withId({ kind: KIND, version: VERSION, ...content });
}

/** Whether a plan is one for statistics. */
export function isStatisticsPlan(saved: SavedPlan | SavedStatisticsPlan): saved is SavedStatisticsPlan {
  return saved.kind === KIND;
}

/**
 * Reads the text of a plan of either kind.
 * @param path for errors
 * @throws FormatError for what is no saved plan, or one that was changed; LimitError for a longer text than any plan has
 */
export function parseAnyPlan(json: string, path: string): SavedPlan | SavedStatisticsPlan {
  const value = parseJson(json, path);
  const isOfStatistics =
    typeof value === "object" && value !== null && "kind" in value && value.kind === KIND;
  if (!isOfStatistics) return checkedPlan(value, path);
  const saved = checkedDocument(value, schema, path);
  if (saved.slices <= saved.windows) return saved;
  throw new FormatError(`The plan has ${saved.slices} slices of ${saved.windows} windows.`, {
    path,
    hint: "Save the plan again.",
  });
}
