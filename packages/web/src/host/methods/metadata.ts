import type { MetadataLine, Model } from "@requant/convert";
import type { Metadata } from "@requant/core";
import { linesOf } from "../metadata-lines.ts";
import { modelNumbered } from "../models.ts";

/** A text that chats are written by. */
export interface ChatTemplate {
  readonly name: string;
  readonly text: string;
}

/** What a model says about itself, key by key. */
export interface ModelMetadata {
  readonly lines: readonly MetadataLine[];
  readonly chatTemplates: readonly ChatTemplate[];
  /** GGUF metadata can be edited in the page. */
  readonly isGguf: boolean;
}

const TEMPLATE = "tokenizer.chat_template";

export async function metadata({ id }: { readonly id: number }): Promise<ModelMetadata> {
  const model = modelNumbered(id);
  const { gguf } = model;
  return {
    lines: linesOf(model),
    chatTemplates: gguf === undefined ? await sideTemplates(model) : templatesOf(gguf.metadata),
    isGguf: gguf !== undefined,
  };
}

function templatesOf(all: Metadata): ChatTemplate[] {
  return [...all].flatMap(([key, value]) =>
    value.type === "string" && (key === TEMPLATE || key.startsWith(`${TEMPLATE}.`))
      ? [{ name: key, text: value.value }]
      : [],
  );
}

async function sideTemplates({ hf }: Model): Promise<ChatTemplate[]> {
  if (hf === undefined) return [];
  const files = await hf.sideFileBytes();
  hf.forgetSideFiles();
  const textOf = (name: string): string | undefined => {
    const bytes = files.get(name);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  const jinja = textOf("chat_template.jinja");
  if (jinja !== undefined) return [{ name: "chat_template.jinja", text: jinja }];
  return configTemplates(textOf("tokenizer_config.json"));
}

function configTemplates(text: string | undefined): ChatTemplate[] {
  if (text === undefined) return [];
  try {
    const template: unknown = JSON.parse(text).chat_template;
    if (typeof template === "string")
      return [{ name: "tokenizer_config.json: chat_template", text: template }];
    if (!Array.isArray(template)) return [];
    return template.flatMap((one: unknown) => {
      const { name, template: own } = (one ?? {}) as { readonly name?: unknown; readonly template?: unknown };
      return typeof own === "string" ? [{ name: `tokenizer_config.json: ${String(name)}`, text: own }] : [];
    });
  } catch {
    // the findings tell of a file that is not JSON
    return [];
  }
}
