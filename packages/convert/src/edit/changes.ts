/** A change of metadata, thought through before anything is written: what differs, and what readers would refuse. */
import { type Finding, type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { type GgufFile, type GgufLayout, layoutGguf, parseGguf } from "@requant/gguf";
import { llamaCppFindings } from "@requant/models";
import { factFindings } from "../examine/doctor/facts.ts";
import { completeFinding, finding } from "../model/findings/finding.ts";
import { identity } from "../plan/refuse-unsound-set.ts";
import { expectedTypes, lostKeys } from "./known-keys.ts";
import { nearNames } from "./near.ts";
import { typeWordOf } from "./value-types.ts";

/** Metadata keys to set and to remove. */
export interface MetadataChange {
  /** Keys that are there keep their place; new ones come last. */
  readonly set?: ReadonlyMap<string, MetadataValue> | undefined;
  readonly unset?: readonly string[] | undefined;
}

/** What a change does to one key. */
export interface MetadataDifference {
  readonly key: string;
  /** Undefined for a new key. */
  readonly before: MetadataValue | undefined;
  /** Undefined for a removed key. */
  readonly after: MetadataValue | undefined;
  /** Of arrays of the same type and of strings: the first element or character that differs. Undefined: nothing does. */
  readonly firstDifference?: number | undefined;
  /** False where type and value stay what they are. */
  readonly differs: boolean;
}

/** A change that is ready to be written. */
export interface MetadataEdit {
  readonly layout: GgufLayout;
  /** One for each key that the change names, in its order. */
  readonly differences: readonly MetadataDifference[];
  /** What is wrong with the changed file and was not before, worst first, and errors of the changed keys that were there. */
  readonly findings: readonly Finding[];
  /** Those of the findings for which readers would refuse the changed file, or misread it. */
  readonly refusals: readonly Finding[];
}

/**
 * What a change would do to a file, with the new header laid out. Nothing is read or written.
 * @throws UsageError for a key to unset that is not there, or values that cannot be stored; LimitError for larger ones than are
 * read again
 */
export function planMetadataEdit(file: GgufFile, change: MetadataChange): MetadataEdit {
  const before = file.metadata;
  const { tensors } = file;
  const { layout, findings: own } = layoutOfEdit(file, change);
  const { metadata } = layout;
  const known = new Set([...file.findings, ...doctorFindings(before, tensors)].map(identity));
  const found = [...own, ...doctorFindings(metadata, tensors)].map((one) => completeFinding(one));
  const keys = new Set([...(change.unset ?? []), ...(change.set?.keys() ?? [])]);
  const fresh = found.filter((one) => !known.has(identity(one)));
  const told = new Set(fresh.filter(isRefusal).map(({ key }) => key));
  const ours = [
    ...lostFindings(before, metadata),
    ...splitFindings(before, metadata),
    ...typeFindings(before, metadata),
  ];
  const added = [...ours.filter(({ key }) => !told.has(key)), ...fresh];
  const kept = found.filter(
    (one) => known.has(identity(one)) && isRefusal(one) && one.key !== undefined && keys.has(one.key),
  );
  return {
    layout,
    differences: [...keys].map((key) => differenceOf(key, before.get(key), metadata.get(key))),
    findings: [...added.filter(isRefusal), ...added.filter((one) => !isRefusal(one)), ...kept],
    refusals: added.filter(isRefusal),
  };
}

/** The changed header alone, which is known to be readable, and what the container's rules say of it. */
export function layoutOfEdit(
  { metadata, tensors, version, littleEndian }: GgufFile,
  change: MetadataChange,
): { readonly layout: GgufLayout; readonly findings: readonly Finding[] } {
  const changed = withChanges(metadata, change);
  const layout = layoutGguf({ metadata: changed, tensors, version, littleEndian });
  // what is written must be read again, by the same rules
  const { findings } = parseGguf(layout.header, { fileByteLength: layout.byteLength });
  return { layout, findings };
}

/** Everything that the doctor has to say of a header. */
function doctorFindings(metadata: Metadata, tensors: GgufFile["tensors"]): Finding[] {
  return [...llamaCppFindings(metadata, tensors), ...factFindings(metadata, tensors)];
}

/** Of a file that exists these are doubts; nobody may want to make one so. */
const REFUSED_WARNINGS: readonly string[] = ["token-id", "vocabulary-size"];

function isRefusal({ code, severity }: Finding): boolean {
  return severity === "error" || REFUSED_WARNINGS.includes(code);
}

function lostFindings(before: Metadata, after: Metadata): Finding[] {
  return lostKeys(before, after).map((key) =>
    finding(
      "config-invalid",
      `The file has no ${bounded(key)}, which llama.cpp needs.`,
      { key },
      `Set ${bounded(key)} as well, or leave it as it is.`,
    ),
  );
}

/** The keys of a split say what the file names say: one alone cannot be changed. */
function splitFindings(before: Metadata, after: Metadata): Finding[] {
  const keys = [...after.keys()].filter((key) => key.startsWith("split."));
  const changed = keys.filter((key) => differenceOf(key, before.get(key), after.get(key)).differs);
  return changed.map((key) =>
    finding(
      "config-invalid",
      `The key ${bounded(key)} numbers the parts of a split model; it must agree with the file names and the other parts.`,
      { key },
      "Use split or merge to change the parts of a model.",
    ),
  );
}

function typeFindings(before: Metadata, after: Metadata): Finding[] {
  return [...after].flatMap(([key, value]) => {
    const old = before.get(key);
    if (old !== undefined && typeWordOf(old) === typeWordOf(value)) return [];
    const expected = expectedTypes(key, value);
    const [usual] = expected;
    if (usual === undefined) return [];
    return [
      finding(
        "config-invalid",
        `${bounded(key)} is ${typeWordOf(value)}; llama.cpp reads only ${expected.join(" or ")}.`,
        { key },
        `Write ${bounded(key)}=${usual}:VALUE.`,
      ),
    ];
  });
}

/**
 * Metadata with changes applied.
 * @throws UsageError for keys to unset that are not there, all of them, and for a key to set and to unset
 */
export function withChanges(metadata: Metadata, changes: MetadataChange): Map<string, MetadataValue> {
  const changed = new Map(metadata);
  const unset = new Set(changes.unset ?? []);
  const missing = [...unset].filter((key) => !changed.delete(key));
  if (missing.length > 0) throw notThere(missing, metadata);
  for (const [key, value] of changes.set ?? []) {
    if (unset.has(key)) throw new UsageError(`${bounded(key)} is both to be set and to be unset.`);
    changed.set(key, value);
  }
  return changed;
}

function notThere(missing: readonly string[], metadata: Metadata): UsageError {
  const [first = ""] = missing;
  const near = missing.length === 1 ? nearNames(first, [...metadata.keys()]) : [];
  const names = missing.map((key) => bounded(key)).join(", ");
  return new UsageError(
    missing.length === 1
      ? `The file has no key ${names} to unset.`
      : `The file has none of these keys to unset: ${names}.`,
    {
      hint:
        near.length > 0
          ? `Near are ${near.map((key) => bounded(key)).join(", ")}.`
          : "List the keys that the file has.",
    },
  );
}

function differenceOf(
  key: string,
  before: MetadataValue | undefined,
  after: MetadataValue | undefined,
): MetadataDifference {
  if (before === undefined || after === undefined) return { key, before, after, differs: before !== after };
  if (typeWordOf(before) !== typeWordOf(after)) return { key, before, after, differs: true };
  if (before.type === "array" && after.type === "array") {
    const firstDifference = before === after ? undefined : firstUnequal(before.value, after.value);
    return { key, before, after, firstDifference, differs: firstDifference !== undefined };
  }
  if (before.type === "string" && after.type === "string") {
    const firstDifference =
      before.value === after.value ? undefined : firstUnequal(before.value, after.value);
    return { key, before, after, firstDifference, differs: firstDifference !== undefined };
  }
  return { key, before, after, differs: !Object.is(before.value, after.value) };
}

function firstUnequal(before: ArrayLike<unknown>, after: ArrayLike<unknown>): number | undefined {
  const most = Math.max(before.length, after.length);
  for (let i = 0; i < most; i++) if (!Object.is(before[i], after[i])) return i;
  return undefined;
}
