/** A model as GGUF sees it, whatever it is stored as: metadata, tensors, tokenizer and template held against each other. */
import type { Finding, Metadata } from "@requant/core";
import { ggufFindings } from "@requant/models";
import { completeFinding, finding } from "../../model/findings/finding.ts";
import { templateFindings } from "./template.ts";
import { tokenizerShapeFindings, vocabularyFindings } from "./vocabulary.ts";

interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the header alone tells, in little time. */
export function headerFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  return [
    ...ggufFindings(metadata, tensors).map((found) => completeFinding(found)),
    ...tokenizerShapeFindings(metadata),
  ];
}

/** All of it, with the vocabulary decoded and the templates read. */
export function factFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  return [
    ...headerFindings(metadata, tensors),
    ...vocabularyFindings(metadata),
    ...[...metadata].flatMap(([key, value]) =>
      key.startsWith("tokenizer.chat_template") && value.type === "string"
        ? templateFindings(value.value, { key })
        : [],
    ),
  ];
}

/** A tensor name that looks like a path is harmless here and nowhere a good sign. */
export function nameFindings(tensors: readonly NamedShape[]): Finding[] {
  return tensors.flatMap(({ name }) =>
    /(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[a-z]:[/\\]/i.test(name)
      ? [finding("strange-name", "The tensor name looks like a path.", { tensor: name })]
      : [],
  );
}
