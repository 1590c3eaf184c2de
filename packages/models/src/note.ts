import type { Finding, FindingPlace } from "@requant/core";

/** What planning a model's other form has to tell. */
type NoteCode = "assumed" | "not-stored" | "tokenizer-differs" | "no-template" | "llamafied";

/** A finding for the reader: nothing is wrong. `message`: one sentence. */
export function note(code: NoteCode, message: string, place: FindingPlace = {}): Finding {
  return { code, severity: "note", message, ...place };
}
