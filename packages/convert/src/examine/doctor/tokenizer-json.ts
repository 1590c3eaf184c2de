/** tokenizer.json of a Hugging Face directory: ids that collide, merges of nothing, more tokens than the embedding has rows. */

import type { Finding } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { HfFiles } from "@requant/models";
import { isTokenEmbedding } from "@requant/models";
import { finding } from "../../model/findings/finding.ts";
import { few } from "./few.ts";

const file = "tokenizer.json";

/** `merges`: look at them too; of a large vocabulary that takes most of the time. */
export function tokenizerJsonFindings(
  { tokenizerJson, tensors }: HfFiles,
  { merges = true }: { readonly merges?: boolean } = {},
): Finding[] {
  const model = tokenizerJson?.["model"];
  if (tokenizerJson === undefined || !isObject(model)) return [];
  const ids = new Map<string, number>();
  const vocabulary = Object.hasOwn(model, "vocab") ? model["vocab"] : undefined;
  if (isObject(vocabulary)) {
    // keys alone: entries would be 150,000 small arrays
    for (const text of Object.keys(vocabulary)) {
      const id = vocabulary[text];
      if (typeof id === "number") ids.set(text, id);
    }
  }
  const added: unknown = tokenizerJson["added_tokens"];
  if (Array.isArray(added)) {
    for (const entry of added) {
      if (isObject(entry) && typeof entry["content"] === "string" && typeof entry["id"] === "number")
        ids.set(entry["content"], entry["id"]);
    }
  }
  return [
    ...collisions(ids),
    ...(merges ? unknownMerges(model["merges"], ids) : []),
    ...tooMany(ids, tensors.find(({ name }) => isTokenEmbedding(name))?.shape[0]),
  ];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether two texts have one id: ids sorted as numbers take a tenth of the memory of a map by id. */
function hasCollision(ids: ReadonlyMap<string, number>): boolean {
  const sorted = new Float64Array(ids.size);
  let count = 0;
  ids.forEach((id) => {
    sorted[count++] = id;
  });
  sorted.sort();
  return sorted.some((id, index) => index > 0 && id === sorted[index - 1]);
}

function collisions(ids: ReadonlyMap<string, number>): Finding[] {
  if (!hasCollision(ids)) return [];
  const owners = new Map<number, string>();
  const twice: string[] = [];
  for (const [text, id] of ids) {
    const owner = owners.get(id);
    if (owner === undefined) owners.set(id, text);
    else twice.push(`${quoted(owner)} and ${quoted(text)} are ${id}`);
  }
  return twice.length === 0
    ? []
    : [
        finding("duplicate-token", `${twice.length} tokens have the id of another: ${few(twice)}.`, {
          path: file,
        }),
      ];
}

function unknownMerges(merges: unknown, ids: ReadonlyMap<string, number>): Finding[] {
  if (!Array.isArray(merges)) return [];
  const areTokens = (left: unknown, right: unknown): boolean =>
    typeof left === "string" &&
    typeof right === "string" &&
    ids.has(left) &&
    ids.has(right) &&
    ids.has(left + right);
  const unknown = merges.filter((merge: unknown) => {
    if (Array.isArray(merge)) return merge.length !== 2 || !areTokens(merge[0], merge[1]);
    if (typeof merge !== "string") return true;
    const space = merge.indexOf(" ");
    if (space < 0 || space !== merge.lastIndexOf(" ")) return true;
    return !areTokens(merge.slice(0, space), merge.slice(space + 1));
  });
  return unknown.length === 0
    ? []
    : [
        finding(
          "unknown-merge",
          `${unknown.length} merges name tokens that do not exist: ${few(unknown.map((merge) => quoted(merge)))}.`,
          { path: file },
          "Take the tokenizer from the original model.",
        ),
      ];
}

/** The two parts that one space separates; nothing of a text with none or several. */
function _partsOf(merge: string): readonly string[] {
  const space = merge.indexOf(" ");
  if (space < 0 || merge.indexOf(" ", space + 1) >= 0) return [];
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function tooMany(ids: ReadonlyMap<string, number>, rows: number | undefined): Finding[] {
  if (rows === undefined) return [];
  const beyond: string[] = [];
  ids.forEach((id, text) => {
    if (id >= rows) beyond.push(`${quoted(text)} is ${id}`);
  });
  return beyond.length === 0
    ? []
    : [
        finding(
          "token-id",
          `${beyond.length} tokens have ids beyond the embedding's ${rows} rows: ${few(beyond)}.`,
          { path: file },
          "Take the tokenizer from the original model.",
        ),
      ];
}
