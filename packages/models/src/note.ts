import type { Finding, FindingPlace } from "@requant/core";

/** The codes of notes about a planned model. */
type NoteCode = "assumed" | "not-stored" | "tokenizer-differs" | "no-template" | "llamafied";

/** A finding of severity "note", where nothing is wrong. `message` is one sentence. */
export function note(code: NoteCode, message: string, place: FindingPlace = {}): Finding {
  return { code, severity: "note", message, ...place };
}
