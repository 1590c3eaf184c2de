/** `KEY=VALUE` and `KEY=TYPE:VALUE`, as people write them. */
import { type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { bounded, quoted } from "@requant/core/text";
import { knownTypeOf } from "./known-keys.ts";
import { parseValue } from "./parse-value.ts";
import { type MetadataType, metadataTypeOf, scalarTypes, typeWord } from "./value-types.ts";

/** An assignment in its parts. */
export interface MetadataAssignment {
  readonly key: string;
  /** The word before the colon, where it is a type. */
  readonly type?: MetadataType | undefined;
  /** What follows. */
  readonly text: string;
}

const TYPES_HINT = `TYPE is one of ${scalarTypes.join(" ")}, or for a JSON array one of them with [] behind it`;
const ASSIGNMENT_HINT = `Write KEY=VALUE, or KEY=TYPE:VALUE for a key that has no known type. ${TYPES_HINT}.`;

/**
 * Cuts an assignment at its first `=`, and behind the type if there is one: of `general.url=https://…` the text is all.
 * @throws UsageError where there is no key or no `=`
 */
export function splitMetadataAssignment(text: string): MetadataAssignment {
  const cut = text.indexOf("=");
  if (cut <= 0) {
    throw new UsageError(`${quoted(text)} is not an assignment.`, { hint: ASSIGNMENT_HINT });
  }
  const [key, value] = [text.slice(0, cut), text.slice(cut + 1)];
  const colon = value.indexOf(":");
  const type = colon < 0 ? undefined : metadataTypeOf(value.slice(0, colon));
  return type === undefined ? { key, text: value } : { key, type, text: value.slice(colon + 1) };
}

/**
 * The value of an assignment. One that names no type has that of the key as it is in `metadata`, or else the one that is known
 * for the key.
 * @throws UsageError for a text that is no value of the type, and where the type is unknown
 */
export function assignedValue(
  { key, type, text }: MetadataAssignment,
  metadata: Metadata = new Map(),
): MetadataValue {
  return parseValue(bounded(key), type ?? typeOfKey(key, text, metadata), text);
}

function typeOfKey(key: string, text: string, metadata: Metadata): MetadataType {
  const present = metadata.get(key);
  if (present?.type === "array") {
    const { elementType } = present;
    if (elementType !== "array") return { type: elementType, isArray: true };
    throw new UsageError(`${bounded(key)} is an array of arrays, which cannot be written as text.`, {
      hint: "Unset the key, or leave it as it is.",
    });
  }
  const type = present === undefined ? knownTypeOf(key) : { type: present.type, isArray: false };
  if (type !== undefined) return type;
  const guess = typeWord(guessedType(text));
  throw new UsageError(`${bounded(key)} is a new key, and nothing is known about its type.`, {
    hint: `Write KEY=TYPE:VALUE, for example ${bounded(key, 80)}=${guess}:${bounded(text, 80)}. ${TYPES_HINT}.`,
  });
}

/** What the text looks like: for the example in a refusal only. */
function guessedType(text: string): MetadataType {
  if (text.startsWith("[")) return { type: text.includes('"') ? "string" : "i32", isArray: true };
  if (text === "true" || text === "false") return { type: "bool", isArray: false };
  if (/^\d{1,9}$/.test(text)) return { type: "u32", isArray: false };
  return { type: /^-?\d{1,9}\.\d{1,9}$/.test(text) ? "f32" : "string", isArray: false };
}

/**
 * Parses one assignment: `general.name=string:My model`, `llama.context_length=8192`, `tokenizer.ggml.scores=f32[]:[0,1]`.
 * `metadata` is what is changed: a type that the text does not name is that of the key in it, or the one that is known for the
 * key. Integers are exact, whatever their size; NaN and Infinity in an array are strings.
 *
 * @example
 * ```ts
 * import { parseMetadataAssignment } from "@requant/convert";
 *
 * const [key, value] = parseMetadataAssignment("llama.context_length=8192"); // { type: "u32", value: 8192 }
 * ```
 * @throws UsageError
 */
export function parseMetadataAssignment(
  text: string,
  metadata?: Metadata,
): [key: string, value: MetadataValue] {
  const assignment = splitMetadataAssignment(text);
  return [assignment.key, assignedValue(assignment, metadata)];
}
