/** A JSON file with its own hash: what a program saved, and another one reads. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { FormatError, LimitError, misfitOf } from "@requant/core";
import * as z from "zod/mini";

/** A plan of 100,000 tensors with a large vocabulary has about 60 MB. */
export const LONGEST_SAVED_PLAN: number = 512 * 1024 * 1024;

/** What a reader is told to do with a file that is not as it was saved. */
export const SAVE_AGAIN = "Save the plan again.";

/** Texts and hashes of a saved file. */
export const savedText: z.ZodMiniString = z.string().check(z.maxLength(4096));
export const savedHash: z.ZodMiniString = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** A file besides the model that a run reads. */
export interface GuideFile {
  readonly path: string;
  readonly sha256: string;
}

export const guideFileSchema: z.ZodMiniObject<{ path: typeof savedText; sha256: typeof savedHash }> =
  z.object({
    path: savedText,
    sha256: savedHash,
  });

/** Where the model is, in the words of the program that saved the plan. */
export interface SavedSource {
  readonly address: string;
  /** Versions of its files; null where a file's store knows none. */
  readonly versions: Readonly<Record<string, string | null>>;
}

export const sourceSchema: z.ZodMiniType<SavedSource> = z.object({
  address: savedText,
  versions: z.record(z.string(), z.nullable(z.string())),
});

/** A document with the SHA-256 of everything else in it. */
export function withId<T extends object>(content: T): T & { readonly id: string } {
  // as JSON will give it back: without what is undefined
  const plain = JSON.parse(JSON.stringify(content)) as T;
  return { ...plain, id: idOf(plain) };
}

/**
 * Parses a document.
 * @param path for errors
 * @throws FormatError for what is no JSON; LimitError for a longer text than any plan has
 */
export function parseJson(json: string, path: string): unknown {
  if (json.length > LONGEST_SAVED_PLAN) {
    throw new LimitError(`The plan has ${json.length} characters; at most ${LONGEST_SAVED_PLAN} are read.`, {
      path,
      hint: "Check that this is the file that a plan was saved to.",
    });
  }
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new FormatError("This is no JSON, so it is no saved plan.", { path, cause, hint: SAVE_AGAIN });
  }
}

/** @throws FormatError for a document of another form, or one that was changed */
export function checkedDocument<T extends { readonly id: string }>(
  value: unknown,
  schema: z.ZodMiniType<T>,
  path: string,
): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [first] = result.error.issues;
    throw new FormatError(`This is no saved plan: ${misfitOf(first ? [first] : [], value)}.`, {
      path,
      hint: SAVE_AGAIN,
    });
  }
  const { id, ...content } = value as { readonly id: string };
  if (idOf(content) !== id) {
    throw new FormatError("The plan was changed after it was saved.", { path, hint: SAVE_AGAIN });
  }
  return result.data;
}

function idOf(content: object): string {
  return bytesToHex(sha256(utf8ToBytes(JSON.stringify(content))));
}
