/** A plan as a file: all that another machine needs to carry it out, but for secrets. Every file that it names has its hash. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { type BegunUpload, FormatError, LimitError, misfitOf } from "@requant/core";
import * as z from "zod/mini";
import { type Plan, parsePlan } from "../../plan/plan.ts";

/** A file besides the model that a run reads. */
export interface GuideFile {
  readonly path: string;
  readonly sha256: string;
}

/** An upload that was begun for a file of the plan. */
export type PlannedUpload = Pick<BegunUpload, "id" | "partByteLength">;

/** What is saved. */
export interface SavedPlanContent {
  /** Where the model is, in the words of the program that saved the plan. */
  readonly source: {
    readonly address: string;
    /** Versions of its files; null where a file's store knows none. */
    readonly versions: Readonly<Record<string, string | null>>;
  };
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

/** A plan of 100,000 tensors with a large vocabulary has about 60 MB. */
export const LONGEST_SAVED_PLAN: number = 512 * 1024 * 1024;

/** S3 takes 5 GiB in one part, and 10,000 parts. */
const MOST_UPLOAD_PART = 5 * 1024 ** 3;
const MOST_UPLOAD_PARTS = 10_000;

const text: z.ZodMiniString = z.string().check(z.maxLength(4096));
const hash: z.ZodMiniString = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const guideFile: z.ZodMiniObject<{ path: typeof text; sha256: typeof hash }> = z.object({
  path: text,
  sha256: hash,
});

const schema: z.ZodMiniType<Omit<SavedPlan, "plan"> & { readonly plan: unknown }> = z.object({
  kind: z.literal(KIND),
  version: z.literal(VERSION),
  id: hash,
  source: z.object({ address: text, versions: z.record(z.string(), z.nullable(z.string())) }),
  guides: z.object({
    imatrix: z.optional(z.extend(guideFile, { include: z.array(text), exclude: z.array(text) })),
    statistics: z.optional(guideFile),
    scales: z.optional(guideFile),
  }),
  output: text.check(z.minLength(1)),
  uploads: z.optional(
    z.array(
      z.object({
        id: text.check(z.minLength(1)),
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
  // as JSON will give it back: without what is undefined
  const plain = JSON.parse(JSON.stringify({ kind: KIND, version: VERSION, ...content })) as Omit<
    SavedPlan,
    "id"
  >;
  return { ...plain, id: idOf(plain) };
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
  if (json.length > LONGEST_SAVED_PLAN) {
    throw new LimitError(`The plan has ${json.length} characters; at most ${LONGEST_SAVED_PLAN} are read.`, {
      path,
      hint: "Check that this is the file that a plan was saved to.",
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FormatError("This is no JSON, so it is no saved plan.", { path, cause, hint: HINT });
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    const [first] = result.error.issues;
    throw new FormatError(`This is no saved plan: ${misfitOf(first ? [first] : [], value)}.`, {
      path,
      hint: HINT,
    });
  }
  const { id, ...content } = value as SavedPlan;
  if (idOf(content) !== id) {
    throw new FormatError("The plan was changed after it was saved.", { path, hint: HINT });
  }
  const plan = parsePlan(result.data.plan);
  refuseSameNames(plan, path);
  refuseUploads(plan, result.data.uploads, path);
  return { ...result.data, plan };
}

const HINT = "Save the plan again.";

function idOf(content: Omit<SavedPlan, "id">): string {
  return bytesToHex(sha256(utf8ToBytes(JSON.stringify(content))));
}

function refuseSameNames({ files }: Plan, path: string): void {
  const names = new Set<string>();
  for (const { name } of files) {
    if (names.has(name))
      throw new FormatError(`The plan makes two files named ${name}.`, { path, hint: HINT });
    names.add(name);
  }
}

/** Each file needs its own upload, and no more parts than a server takes. */
function refuseUploads({ files }: Plan, uploads: SavedPlanContent["uploads"], path: string): void {
  if (uploads === undefined) return;
  if (uploads.length !== files.length) {
    throw new FormatError(`The plan makes ${files.length} files and names ${uploads.length} uploads.`, {
      path,
      hint: HINT,
    });
  }
  for (const [index, { name, byteLength }] of files.entries()) {
    const count = Math.ceil(byteLength / (uploads[index]?.partByteLength ?? 1));
    if (count <= MOST_UPLOAD_PARTS) continue;
    throw new FormatError(`The plan sends ${name} in ${count} parts; a server takes ${MOST_UPLOAD_PARTS}.`, {
      path,
      hint: HINT,
    });
  }
}
