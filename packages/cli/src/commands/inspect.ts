import {
  type ContextMemory,
  distinctFindings,
  type Inspection,
  inspectModel,
  type Model,
  metadataEntries,
  metadataLines,
  modelFindings,
  notesOf,
  type TensorGrid,
  warningsOf,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import { gridWords } from "@requant/core/view";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withModel } from "../open.ts";
import { contextParts, fitWords, layerWords } from "../render/context-basis.ts";
import { findingText, showWarnings } from "../render/findings.ts";
import type { Look } from "../render/look.ts";
import { byteQuantity, counted, countQuantity } from "../render/quantity.ts";
import { facts, paragraph, table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

const CONTEXT_OPTIONS: readonly string[] = ["context", "kv", "vram"];

export const inspect: Handler = async ([argument = ""], given, context) => {
  const { streams, signal, options, look } = context;
  return withModel(argument, context, async (model) => {
    // the rules of all families, which nothing else here needs
    const isAsked = CONTEXT_OPTIONS.some((name) => given[name] !== undefined);
    const asked = isAsked ? await import("../context-options.ts") : undefined;
    const limit = asked?.memoryLimit(given);
    const memory = await asked?.contextOf(model, given);
    if (limit !== undefined && memory === undefined) {
      throw new UsageError("The option --vram needs the length of the context, and --context is not given.", {
        hint: "Add --context 32k, for example.",
      });
    }
    const inspection = await inspectModel(model, { grids: given["grids"] === true, signal });
    const findings = distinctFindings([...inspection.findings, ...(await modelFindings(model))]);
    const warnings = warningsOf(findings);
    const notes = notesOf(findings);
    showWarnings(warnings, streams, options);
    const shown = { tensors: given["tensors"] === true, metadata: given["metadata"] === true, memory, limit };
    if (options.json) {
      const { tensors, findings: _, ...rest } = inspection;
      writeJson(streams, {
        ...rest,
        ...(memory === undefined ? {} : { memory: memoryJson(inspection, memory, limit) }),
        warnings,
        notes,
        ...(shown.tensors ? { tensors } : {}),
        ...(shown.metadata ? { metadata: metadataJson(model) } : {}),
      });
    } else {
      streams.out.write(`${renderInspection(inspection, { ...shown, look }, model)}\n`);
    }
    return exitStatus.done;
  });
};

/** GGUF keys, or what a Hugging Face directory says of itself in config.json. */
function metadataJson(model: Model): { key: string; type: string; value: unknown }[] {
  if (model.gguf !== undefined) return metadataEntries(model.gguf.metadata);
  return Object.entries(model.hf?.config ?? {}).map(([key, value]) => ({
    key,
    type: Array.isArray(value) ? "array" : value === null ? "null" : typeof value,
    value,
  }));
}

/** The same for people: each value on a line. */
function metadataText(model: Model): { key: string; type: string; value: string }[] {
  if (model.gguf !== undefined) return metadataLines(model.gguf.metadata);
  return metadataJson(model).map(({ key, type, value }) => ({
    key,
    type,
    value: typeof value === "string" ? value : JSON.stringify(value),
  }));
}

function renderGrids(grids: readonly TensorGrid[], look: Look): string {
  if (grids.length === 0) return paragraph("There are no matrices of floats to look for grids in.", look);
  return table(
    [
      { title: "tensor" },
      { title: "stored as" },
      { title: "grid of its floats", wrap: true },
      { title: "share a scale", wrap: true },
      { title: "scales" },
      { title: "rounded to" },
    ],
    grids.map(({ name, encoding, grid }) => {
      if (grid === undefined) return [name, encoding, "none", "", "", ""];
      const { codes, groups, scales, rounding = "" } = gridWords(grid);
      return [name, encoding, codes, groups, scales, rounding];
    }),
    look,
  );
}

interface Shown {
  readonly tensors: boolean;
  readonly metadata: boolean;
  readonly memory: ContextMemory | undefined;
  readonly limit: number | undefined;
}

/** Weights and context together. */
function memoryJson(
  { tensorByteLength }: Inspection,
  context: ContextMemory,
  limit: number | undefined,
): Record<string, unknown> {
  const byteLength = tensorByteLength + context.byteLength;
  return {
    weights: tensorByteLength,
    context,
    byteLength,
    ...(limit === undefined ? {} : { limit, fits: byteLength <= limit }),
  };
}

/** The memory that the model and a context take together, part by part. */
function renderMemory(
  { tensorByteLength }: Inspection,
  { memory, limit, look }: Shown & { look: Look },
): string {
  if (memory === undefined) return "";
  const total = tensorByteLength + memory.byteLength;
  return facts(
    [
      ["context", `${memory.tokens} tokens, keys and values as ${memory.kv}: ${layerWords(memory)}`],
      ["weights", byteQuantity(tensorByteLength)],
      ...contextParts(memory),
      ["total", byteQuantity(total)],
      ...(limit === undefined ? [] : ([["memory", fitWords(total, limit)]] as const)),
    ],
    look,
  );
}

function renderInspection(model: Inspection, shown: Shown & { look: Look }, source: Model): string {
  const { look } = shown;
  const parts = [
    facts(
      [
        ["model", model.name],
        ["format", model.variant],
        ...(model.architecture === undefined ? [] : ([["architecture", model.architecture]] as const)),
        ["parameters", `${countQuantity(model.parameterCount)} in ${counted(model.tensorCount, "tensor")}`],
        ["size", `${byteQuantity(model.fileByteLength)} in ${counted(model.files.length, "file")}`],
        ["bits per weight", model.bitsPerWeight.toFixed(3)],
        ...model.facts.map(({ label, value }) => [label, String(value)] as const),
      ],
      look,
    ),
    table(
      [
        { title: "encoding" },
        { title: "tensors", align: "right" },
        { title: "weights", align: "right" },
        { title: "bytes", align: "right" },
        { title: "bits/weight", align: "right" },
      ],
      model.encodings.map((row) => [
        row.encoding,
        String(row.tensorCount),
        countQuantity(row.parameterCount),
        byteQuantity(row.byteLength),
        row.bitsPerWeight.toFixed(3),
      ]),
      look,
    ),
  ];
  if (shown.memory !== undefined) parts.push(renderMemory(model, shown));
  const notes = notesOf(model.findings);
  if (notes.length > 0)
    parts.push(notes.map(({ message }) => paragraph(findingText(message), look)).join("\n"));
  if (model.measured.length > 0) {
    parts.push(
      table(
        [
          { title: "fact" },
          { title: "measured", wrap: true },
          { title: "claimed", wrap: true },
          { title: "" },
        ],
        model.measured.map(({ label, measured, claimed, agrees }) => [
          label,
          String(measured),
          claimed === undefined ? "" : String(claimed),
          agrees ? "" : "disagree",
        ]),
        look,
      ),
    );
  }
  if (model.grids !== undefined) parts.push(renderGrids(model.grids, look));
  if (shown.metadata) {
    parts.push(
      table(
        [{ title: "key" }, { title: "type" }, { title: "value", wrap: true }],
        metadataText(source).map(({ key, type, value }) => [key, type, bounded(value, 100)]),
        look,
      ),
    );
  }
  if (shown.tensors) {
    parts.push(
      table(
        [
          { title: "tensor" },
          { title: "shape", align: "right" },
          { title: "encoding" },
          { title: "bytes", align: "right" },
          { title: "file" },
        ],
        model.tensors.map(({ name, shape, encoding, byteLength, file }) => [
          name,
          shape.join("×"),
          encoding,
          String(byteLength),
          file,
        ]),
        look,
      ),
    );
  }
  return parts.join("\n\n");
}
