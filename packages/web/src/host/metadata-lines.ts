import { type MetadataLine, type Model, metadataLines } from "@requant/convert";

/**
 * The metadata of a GGUF; the values of config.json and of the first file's header for a directory.
 * @param arrayItems how many elements of an array are written out; a few by default. Settings are written out whole
 */
export function linesOf({ gguf, hf }: Model, arrayItems?: number): readonly MetadataLine[] {
  return gguf === undefined
    ? [...settingLines(hf?.config ?? {}, ""), ...settingLines(hf?.fileMetadata ?? {}, "__metadata__.")]
    : metadataLines(gguf.metadata, arrayItems);
}

/** Nested settings get their places as names; an empty object is a value itself. */
function settingLines(settings: Readonly<Record<string, unknown>>, before: string): MetadataLine[] {
  return Object.entries(settings).flatMap(([name, value]): MetadataLine[] => {
    const key = before + name;
    if (isNested(value)) return settingLines(value, `${key}.`);
    if (typeof value === "string") return [{ key, type: "string", value }];
    const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    return [{ key, type, value: JSON.stringify(value) ?? "" }];
  });
}

function isNested(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
  );
}
