/** The programs that run models, as far as the doctor knows what they refuse. */
import type { Finding } from "@requant/core";
import type { RuntimeTable } from "@requant/core/format";
import { weightFormats } from "../../formats.ts";
import { type FindingCode, finding } from "../../model/findings/finding.ts";
import type { Model } from "../../model/model.ts";

/** A program that runs models. */
export type Runtime = "llama.cpp" | "vllm" | "transformers" | "exllamav2";

interface RuntimeFacts {
  readonly name: Runtime;
  /** As its own pages spell it. */
  readonly label: string;
  /** Whether it opens GGUF files: "limited" where it does so with conditions, which the note says. */
  readonly gguf: "whole" | "limited" | "none";
  /** Whether it opens Hugging Face-style directories. */
  readonly directories: boolean;
  /** True where only a configuration tells it that weights are packed: it does not look at the names of tensors. */
  readonly goesByConfig?: true;
  readonly note?: string;
  /** Findings that are warnings in general, and errors for this program: it does not load the model. */
  readonly refuses: ReadonlySet<FindingCode>;
  /** Findings that are errors in general, and warnings for this program: it loads the model, and computes with what is there. */
  readonly loads?: ReadonlySet<FindingCode>;
}

const table: readonly RuntimeFacts[] = [
  {
    name: "llama.cpp",
    label: "llama.cpp",
    gguf: "whole",
    directories: false,
    refuses: new Set(["gap", "order", "long-name", "duplicate-token"]),
    // it never looks at values: what it computes with these may or may not be numbers
    loads: new Set(["nan-weights", "infinite-weights"]),
  },
  {
    name: "vllm",
    label: "vLLM",
    gguf: "limited",
    directories: true,
    goesByConfig: true,
    note: "vLLM reads GGUF files of one part and of some architectures, and is best given the original model's tokenizer",
    // the tokenizer is loaded with the model; safetensors refuse bytes that belong to no tensor
    refuses: new Set(["no-config", "no-tokenizer", "trailing-bytes", "joined-files"]),
  },
  {
    name: "transformers",
    label: "transformers",
    gguf: "limited",
    directories: true,
    goesByConfig: true,
    note: "transformers reads GGUF files of some architectures, by its option gguf_file, and unpacks them to floats",
    refuses: new Set(["no-config", "trailing-bytes", "joined-files"]),
  },
  {
    name: "exllamav2",
    label: "ExLlamaV2",
    gguf: "none",
    directories: true,
    refuses: new Set(["no-config", "no-tokenizer"]),
  },
];

/** The names of all programs, for messages and help. */
export const runtimes: readonly Runtime[] = table.map(({ name }) => name);

function factsOf(runtime: Runtime): RuntimeFacts | undefined {
  return table.find(({ name }) => name === runtime);
}

/** The programs that a model is made for: one for GGUF, those of its packing or of floats for a directory. */
export function mainRuntimes(model: Model): readonly Runtime[] {
  if (model.gguf !== undefined) return ["llama.cpp"];
  const formats = packingsOf(model);
  if (formats.length === 0) return ["vllm", "transformers"];
  const tables = formats.flatMap((name): RuntimeTable[] => {
    const own = runtimesOf(name);
    return own === undefined ? [] : [own];
  });
  const reads =
    (name: Runtime) =>
    (readers: RuntimeTable): boolean =>
      Object.hasOwn(readers, name);
  // of a mixed checkpoint those that read every packing, where there are any
  const ofAll = runtimes.filter((name) => tables.every(reads(name)));
  if (tables.length === 0) return [];
  return ofAll.length > 0 ? ofAll : runtimes.filter((name) => tables.some(reads(name)));
}

function runtimesOf(format: string): RuntimeTable | undefined {
  return weightFormats.find(({ name }) => name === format)?.runtimes;
}

/** Whether the program takes packed weights for floats where no configuration speaks of them. */
export function goesByConfig(runtime: Runtime): boolean {
  return factsOf(runtime)?.goesByConfig === true;
}

/** As its own pages spell it. */
export function labelOf(runtime: Runtime): string {
  return factsOf(runtime)?.label ?? runtime;
}

function packingsOf(model: Model): readonly string[] {
  return [...new Set(model.tensors.flatMap(({ linear }) => (linear === undefined ? [] : [linear.format])))];
}

/** Whether the program opens models of this kind at all. */
export function kindFindings(model: Model, runtime: Runtime): Finding[] {
  const facts = factsOf(runtime);
  if (facts === undefined) return [];
  const { label, gguf, directories, note } = facts;
  if (model.gguf !== undefined) {
    if (gguf === "none")
      return [
        unknown(
          `${label} does not read GGUF files.`,
          "Convert the original model to a format that it reads.",
        ),
      ];
    return gguf === "whole" || note === undefined
      ? []
      : [
          finding(
            "runtime-limits",
            `${note}.`,
            {},
            "Try the file with the program, or convert the model to safetensors.",
          ),
        ];
  }
  if (!directories)
    return [
      unknown(
        `${label} reads GGUF files only, and this is none.`,
        "Convert the model to GGUF: requant convert.",
      ),
    ];
  return packingsOf(model).flatMap((name) => {
    const table = runtimesOf(name);
    return table === undefined || Object.hasOwn(table, runtime)
      ? []
      : [
          unknown(
            `${label} does not read weights that are packed as ${name}.`,
            `Convert the model to a format that ${label} reads.`,
          ),
        ];
  });
}

function unknown(message: string, hint: string): Finding {
  return finding("unknown-to-runtime", message, {}, hint);
}

/** The findings, with those that keep all the programs from loading the model as errors, and no others. */
export function judgedFor(programs: readonly Runtime[], findings: readonly Finding[]): Finding[] {
  const facts = programs.flatMap((one) => factsOf(one) ?? []);
  const isAmong = (codes: ReadonlySet<string> | undefined, { code }: Finding): boolean =>
    codes?.has(code) === true;
  return findings.map((found) => {
    if (facts.length > 0 && facts.every(({ refuses }) => isAmong(refuses, found)))
      return { ...found, severity: "error" };
    if (found.severity === "error" && facts.length > 0 && facts.every(({ loads }) => isAmong(loads, found)))
      return { ...found, severity: "warning" };
    return found;
  });
}
