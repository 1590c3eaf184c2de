/** A plan as a file: all that another machine needs to carry it out, but for secrets. Every file that it names has its hash. */
import { type BegunUpload, FormatError } from "@requant/core";
import * as z from "zod/mini";
import { type Plan, parsePlan } from "../../plan/plan.ts";
import {
  checkedDocument,
  type GuideFile,
  guideFileSchema,
  parseJson,
  SAVE_AGAIN,
  type SavedSource,
  savedHash,
  savedText,
  sourceSchema,
  withId,
} from "./saved-document.ts";

/** An upload that was begun for a file of the plan. */
export type PlannedUpload = Pick<BegunUpload, "id" | "partByteLength">;

/** What is saved. */
export interface SavedPlanContent {
  readonly source: SavedSource;
  readonly guides: {
    readonly imatrix?:
      | (GuideFile & { readonly include: readonly string[]; readonly exclude: readonly string[] })
      | undefined;
    readonly statistics?: GuideFile | undefined;
    /** Scales that are folded into the model. */
    readonly scales?: GuideFile | undefined;
  };
  /** The folder of the finished files. */
  readonly output: string;
  /** Of an output on a server that takes files in parts: an upload for each file of the plan, in the same order. */
  readonly uploads?: readonly PlannedUpload[] | undefined;
  readonly options: {
    readonly bandByteLength: number;
    readonly allowNonFinite?: boolean | undefined;
    readonly overwrite?: boolean | undefined;
    /** Versions of the output files that were there when the plan was saved, and that it replaces. */
    readonly replaces?: Readonly<Record<string, string | null>> | undefined;
  };
  readonly plan: Plan;
}

/** A plan that is carried out in parts. Plain JSON. */
export interface SavedPlan extends SavedPlanContent {
  readonly kind: typeof KIND;
  readonly version: typeof VERSION;
  /** SHA-256 of everything else. */
  readonly id: string;
}

const KIND = "requant-plan";
const VERSION = 1;

/** S3 takes 5 GiB in one part, and 10,000 parts. */
const MOST_UPLOAD_PART = 5 * 1024 ** 3;
const MOST_UPLOAD_PARTS = 10_000;

const schema: z.ZodMiniType<Omit<SavedPlan, "plan"> & { readonly plan: unknown }> = z.object({
  kind: z.literal(KIND),
  version: z.literal(VERSION),
  id: savedHash,
  source: sourceSchema,
  guides: z.object({
    imatrix: z.optional(
      z.extend(guideFileSchema, { include: z.array(savedText), exclude: z.array(savedText) }),
    ),
    statistics: z.optional(guideFileSchema),
    scales: z.optional(guideFileSchema),
  }),
  output: savedText.check(z.minLength(1)),
  uploads: z.optional(
    z.array(
      z.object({
        id: savedText.check(z.minLength(1)),
        partByteLength: z.int().check(z.positive(), z.maximum(MOST_UPLOAD_PART)),
      }),
    ),
  ),
  options: z.object({
    bandByteLength: z.int().check(z.positive(), z.maximum(2 ** 30)),
    allowNonFinite: z.optional(z.boolean()),
    overwrite: z.optional(z.boolean()),
    replaces: z.optional(z.record(z.string(), z.nullable(z.string()))),
  }),
  plan: z.unknown(),
});

/** A plan with its id. */
export function savedPlan(content: SavedPlanContent): SavedPlan {
  return withId({ kind: KIND, version: VERSION, ...content });
}

/** The text of a file. */
export function serializePlan(saved: SavedPlan): string {
  return `${JSON.stringify(saved)}\n`;
}

/**
 * Reads a file's text.
 * @param path for errors
 * @throws FormatError for what is no saved plan, or one that was changed; LimitError for a longer text than any plan has
 */
export function parseSavedPlan(json: string, path: string): SavedPlan {
  return checkedPlan(parseJson(json, path), path);
}

/** The same of JSON that is parsed already. */
export function checkedPlan(value: unknown, path: string): SavedPlan {
  const saved = checkedDocument(value, schema, path);
  const plan = parsePlan(saved.plan);
  refuseSameNames(plan, path);
  refuseUploads(plan, saved.uploads, path);
  return { ...saved, plan };
}

function refuseSameNames({ files }: Plan, path: string): void {
  const names = new Set<string>();
  for (const { name } of files) {
    if (names.has(name))
      throw new FormatError(`The plan makes two files named ${name}.`, { path, hint: SAVE_AGAIN });
    names.add(name);
  }
}

/** Each file needs its own upload, and no more parts than a server takes. */
function refuseUploads({ files }: Plan, uploads: SavedPlanContent["uploads"], path: string): void {
  if (uploads === undefined) return;
  if (uploads.length !== files.length) {
    throw new FormatError(`The plan makes ${files.length} files and names ${uploads.length} uploads.`, {
      path,
      hint: SAVE_AGAIN,
    });
  }
  for (const [index, { name, byteLength }] of files.entries()) {
    const count = Math.ceil(byteLength / (uploads[index]?.partByteLength ?? 1));
    if (count <= MOST_UPLOAD_PARTS) continue;
    throw new FormatError(`The plan sends ${name} in ${count} parts; a server takes ${MOST_UPLOAD_PARTS}.`, {
      path,
      hint: SAVE_AGAIN,
    });
  }
}
