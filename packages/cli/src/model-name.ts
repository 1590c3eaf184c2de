/** What the words in a model's name say. Conventions of the people who publish models: nothing checks that they are true. */
import { withoutTrailing } from "@requant/core/text";
import { fileTypeByName } from "@requant/gguf";

export interface NamePart {
  readonly text: string;
  readonly meaning: string;
}

export interface ExplainedName {
  readonly owner?: string | undefined;
  readonly parts: readonly NamePart[];
  /** Words that mean nothing to us: mostly the model's own name. */
  readonly unknown: readonly string[];
  readonly parameters?: number | undefined;
  readonly bitsPerWeight?: number | undefined;
  /** The target of `convert` that makes such a model; undefined where there is none. */
  readonly target?: string | undefined;
  /** What that target does to floats, where it is less than the format's own tools do. */
  readonly rounding?: string | undefined;
}

/** The canonical spelling of a format and words of it, and what it does to floats; undefined where there is no such target. */
export type SpellTarget = (
  format: string,
  words: readonly string[],
) => Pick<ExplainedName, "target" | "rounding"> | undefined;

/** "8B", "1.1b", "350M", "8x7B" (all experts counted). Undefined for anything else. */
export function parseParameterCount(text: string): number | undefined {
  const match = /^(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([BMT])$/i.exec(text.trim());
  const [, experts = "1", count, unit = ""] = match ?? [];
  if (count === undefined) return undefined;
  const scale = { B: 1e9, M: 1e6, T: 1e12 }[unit.toUpperCase()] ?? 1e9;
  return Math.round(Number(experts) * Number(count) * scale);
}

interface Found {
  parameters?: number;
  bits?: number;
  bitsPerWeight?: number;
  groupSize?: string;
  head?: string;
  method?: string;
  type?: string;
  sym?: string;
  variant?: string;
}

interface Rule {
  readonly pattern: RegExp;
  explain(match: RegExpExecArray, found: Found): string | undefined;
}

function word(pattern: RegExp, meaning: string): Rule {
  return { pattern, explain: () => meaning };
}

function method(pattern: RegExp, name: string, meaning: string): Rule {
  return {
    pattern,
    explain(_match, found) {
      found.method ??= name;
      return meaning;
    },
  };
}

/** Asked in this order for every word; words with hyphens inside come first. */
const RULES: readonly Rule[] = [
  {
    pattern: /^(\d{5})-of-(\d{5})$/,
    explain: ([, part, count]) => `part ${Number(part)} of ${Number(count)} of a split model`,
  },
  {
    pattern: /^actorder_(true|false)$/i,
    explain: ([, value]) =>
      value?.toLowerCase() === "true"
        ? "act-order: columns were quantized in order of activation; more accurate, and g_idx says which group each is in"
        : "no act-order: columns are grouped as they stand",
  },
  word(/^(?:act-order|act_order)$/i, "act-order: columns were quantized in order of activation"),
  {
    pattern: /^(?:UD-)?(I?Q\d_[A-Z0-9_]+|TQ[12]_0|Q[48]_[01]|MXFP4_MOE|BF16|F16|F32)$/i,
    explain([text, type = ""], found) {
      found.type ??= type.toUpperCase();
      const known = fileTypeNamed(type);
      const dynamic = /^UD-/i.test(text) ? "; UD: Unsloth's own choice of types per tensor" : "";
      if (known === undefined) return `a GGUF type of its own name${dynamic}`;
      return `GGUF ${known.name}: ${known.description}${dynamic}`;
    },
  },
  method(/^gguf$/i, "gguf", "the file format of llama.cpp"),
  method(
    /^ggml$/i,
    "ggml",
    "llama.cpp's formats before GGUF (until August 2023), which nothing current reads",
  ),
  method(
    /^gptq$/i,
    "gptq",
    "GPTQ: each layer's rounding errors are made up for in its remaining columns, from calibration data",
  ),
  method(
    /^awq$/i,
    "awq",
    "AWQ: channels that matter are scaled up before rounding, from calibration data; 4 bits",
  ),
  method(/^exl2$/i, "exl2", "EXL2: the format of exllamav2, with different widths for different columns"),
  method(/^exl3$/i, "exl3", "EXL3: the trellis format of exllamav3"),
  method(/^(?:hqq)$/i, "hqq", "HQQ: scales found without calibration data"),
  method(/^mlx$/i, "mlx", "for Apple's MLX"),
  method(/^(?:bnb|bitsandbytes)$/i, "bitsandbytes", "packed by bitsandbytes"),
  method(
    /^(?:autoround)$/i,
    "autoround",
    "AutoRound: rounding directions are learned; stored as GPTQ or AWQ",
  ),
  {
    pattern: /^(?:w(\d)a(\d{1,2}))$/i,
    explain([, weights, activations], found) {
      found.bits ??= Number(weights);
      if (activations === "16") found.method ??= "compressed-tensors";
      return `${weights}-bit weights, ${activations}-bit activations; in vLLM's words, mostly compressed-tensors`;
    },
  },
  method(/^(?:fp8|f8)$/i, "fp8", "8-bit floats"),
  method(/^(?:nvfp4|mxfp4)$/i, "fp4", "4-bit floats with block scales"),
  {
    pattern: /^(\d+(?:[._]\d+)?)bpw$/i,
    explain([, bits = ""], found) {
      found.bitsPerWeight ??= Number(bits.replace("_", "."));
      return `${found.bitsPerWeight} bits per weight on average in the decoder's layers`;
    },
  },
  {
    pattern: /^(?:int)?(\d)[-_]?bits?$|^int(\d)$/i,
    explain([, first, second], found) {
      found.bits ??= Number(first ?? second);
      return `${found.bits}-bit codes`;
    },
  },
  {
    pattern: /^(?:g|gs)?(32|64|128|256|512|1024)g?$/i,
    explain([text, size], found) {
      if (!/g/i.test(text)) return undefined;
      found.groupSize ??= `${size}g`;
      return `groups of ${size} columns share a scale`;
    },
  },
  {
    pattern: /^h([2-8]|16)$/i,
    explain([, bits], found) {
      found.head ??= `h${bits}`;
      return `the output layer (head) has ${bits} bits`;
    },
  },
  {
    pattern: /^(a?sym)$/i,
    explain([, kind = ""], found) {
      found.sym ??= kind.toLowerCase();
      return kind.toLowerCase() === "sym"
        ? "symmetric: no zero points"
        : "asymmetric: a zero point per group";
    },
  },
  {
    pattern: /^(?:gemm|gemv|gemv_fast|marlin|llm-awq|planar)$/i,
    explain([text], found) {
      found.variant ??= text.toLowerCase();
      return "how the codes are laid out for the kernel that multiplies them";
    },
  },
  word(/^(?:i1|imat|imatrix|imat-?q)$/i, "quantized with an importance matrix"),
  word(/^nf4$/i, "bitsandbytes' 4-bit code for normally distributed weights"),
  word(/^(?:fp16|half)$/i, "16-bit floats, not quantized"),
  word(/^(?:fp32)$/i, "32-bit floats, not quantized"),
  {
    pattern: /^(\d{1,3}x)?\d{1,4}(?:\.\d{1,3})?[BMT]$/i,
    explain([text], found) {
      const count = parseParameterCount(text);
      if (count === undefined) return undefined;
      found.parameters ??= count;
      return /x/i.test(text)
        ? "a mixture of experts: number × size of each; attention is shared, so all together are fewer"
        : "parameters";
    },
  },
  {
    pattern: /^A(\d{1,3}(?:\.\d)?)B$/,
    explain: ([, count]) => `${count} billion parameters are active for each token (mixture of experts)`,
  },
  word(/^(?:instruct|it|chat|sft)$/i, "trained to follow instructions; expects a chat template"),
  word(/^(?:base|pt)$/i, "the base model: continues text"),
  word(/^(?:dpo|orpo|kto|rlhf|ppo|grpo|simpo)$/i, "trained further on preferences"),
  word(/^(?:thinking|reasoning|r1|cot)$/i, "trained to reason before it answers"),
  word(/^(?:distill|distilled)$/i, "trained on the output of a larger model"),
  word(
    /^(?:llamafied|llama-fied|llamaified)$/i,
    "weights of another architecture, renamed and rearranged so that Llama code reads them; the values are the same",
  ),
  word(/^(?:abliterated|uncensored|heretic)$/i, "refusals were trained or edited away"),
  word(/^(?:merge|merged|slerp|ties|dare|frankenmerge|linear)$/i, "merged from several models"),
  word(/^(?:lora|qlora|adapter)$/i, "an adapter that needs its base model, or a model with one merged in"),
  word(/^(?:coder|code)$/i, "for programming"),
  word(/^(?:vl|vision|vlm|omni)$/i, "also sees images"),
  word(/^(?:moe)$/i, "mixture of experts"),
  word(/^(?:qat)$/i, "trained with quantization in mind: loses less"),
  word(/^(?:mmproj)$/i, "the vision encoder alone, beside a GGUF of the language model"),
  word(/^v\d+(?:\.\d+)*$/i, "version"),
  {
    pattern: /^(\d{1,4})k$/i,
    explain: ([, thousands]) => `a context of about ${thousands} thousand tokens`,
  },
  word(/^superhot$/i, "an early way to a longer context"),
];

function fileTypeNamed(name: string): { name: string; description: string } | undefined {
  try {
    return fileTypeByName(name);
  } catch {
    return undefined;
  }
}

/** Takes a name, a repository or a file name apart. */
export function explainName(name: string, spell: SpellTarget): ExplainedName {
  const path = withoutTrailing(name.trim(), "/\\");
  const slash = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const owner = slash > 0 ? path.slice(0, slash) : undefined;
  const file = path.slice(slash + 1);
  const extension = /\.(gguf|safetensors|ggml|bin)$/i.exec(file)?.[1];
  const found: Found = {};
  const parts: NamePart[] = [];
  const unknown: string[] = [];
  for (const text of wordsOf(file.slice(0, extension === undefined ? undefined : -extension.length - 1))) {
    const meaning = meaningOf(text, found);
    if (meaning === undefined) unknown.push(text);
    else parts.push({ text, meaning });
  }
  if (extension !== undefined) {
    if (/^gguf$/i.test(extension)) found.method ??= "gguf";
    parts.push({ text: `.${extension}`, meaning: extensionMeaning(extension) });
  }
  const target = targetOf(found, spell);
  return {
    ...(owner === undefined ? {} : { owner }),
    parts,
    unknown,
    ...(found.parameters === undefined ? {} : { parameters: found.parameters }),
    ...(found.bitsPerWeight === undefined ? {} : { bitsPerWeight: found.bitsPerWeight }),
    ...target,
  };
}

function meaningOf(text: string, found: Found): string | undefined {
  for (const { pattern, explain } of RULES) {
    const match = pattern.exec(text);
    const meaning = match === null ? undefined : explain(match, found);
    if (meaning !== undefined) return meaning;
  }
  return undefined;
}

/** Split at hyphens and blanks, and at dots and underscores that no word of ours has inside. */
function wordsOf(stem: string): string[] {
  const compound = /\d{5}-of-\d{5}|UD-I?Q\d_[A-Za-z0-9_]+|act-order/i;
  let words: string[] = [];
  let rest = stem;
  for (let match = compound.exec(rest); match !== null; match = compound.exec(rest)) {
    words = [...words, ...rest.slice(0, match.index).split(/[-\s]+/), match[0]];
    rest = rest.slice(match.index + match[0].length);
  }
  return [...words, ...rest.split(/[-\s]+/)].flatMap(splitWord).filter((text) => text !== "");
}

/** "model.Q4_K_M" and "4bit_128g" are two words; "actorder_True", "Q4_K_M" and "v0.1" are one. */
function splitWord(text: string): string[] {
  if (meaningOf(text, {}) !== undefined) return [text];
  for (const mark of [".", "_"]) {
    const at = text.lastIndexOf(mark);
    if (at > 0 && meaningOf(text.slice(at + 1), {}) !== undefined) {
      return [...splitWord(text.slice(0, at)), text.slice(at + 1)];
    }
  }
  const typed = /^(.+)[._](I?Q\d_[A-Z0-9_]{1,16})$/i.exec(text);
  return typed?.[1] === undefined || typed[2] === undefined ? [text] : [...splitWord(typed[1]), typed[2]];
}

function extensionMeaning(extension: string): string {
  switch (extension.toLowerCase()) {
    case "gguf":
      return "a GGUF file: weights, tokenizer and settings in one";
    case "safetensors":
      return "a safetensors file: tensors alone";
    default:
      return "a file of before 2023-08, or a Python pickle";
  }
}

/** The words of the name that its format's target has, too; undefined where one of them is none of its words. */
function targetOf(found: Found, spell: SpellTarget): ReturnType<SpellTarget> {
  const { method: name, type, bits, groupSize, sym, variant, bitsPerWeight, head } = found;
  if (type !== undefined && (name === undefined || name === "gguf"))
    return spell("gguf", [type.toLowerCase()]);
  const format = name ?? (bitsPerWeight === undefined ? undefined : "exl2");
  if (format === undefined) return undefined;
  const average = bitsPerWeight === undefined ? undefined : `${bitsPerWeight}bpw`;
  const words = [average, head, bits === undefined ? undefined : `${bits}bit`, groupSize, sym, variant];
  return spell(
    format,
    words.filter((text) => text !== undefined),
  );
}
