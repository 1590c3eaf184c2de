/** A model as GGUF sees it, whatever it is stored as: metadata, tensors, tokenizer and template held against each other. */
import type { Metadata } from "@requant/core";
import { ggufMisfits, type TensorMisfit } from "@requant/models";
import { type Finding, type FindingCode, finding } from "./finding.ts";
import { templateFindings } from "./template.ts";
import { tokenizerShapeFindings, vocabularyFindings } from "./vocabulary.ts";

const codeOf: Readonly<Record<TensorMisfit["kind"], FindingCode>> = {
  shape: "wrong-shape",
  "missing-layer": "missing-layer",
  "missing-tensor": "missing-tensor",
  vocabulary: "vocabulary-size",
};

interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the header alone tells, in little time. */
export function headerFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  return [
    ...ggufMisfits(metadata, tensors).map(({ kind, tensor, message }) =>
      finding(codeOf[kind], message, { tensor }),
    ),
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
