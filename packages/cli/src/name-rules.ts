/** Conventions of the people who publish models: what the words in a model's name say. */
import { fileTypeByName } from "@requant/gguf";

/** "8B", "1.1b", "350M", "8x7B" (all experts counted). Undefined for anything else. */
export function parseParameterCount(text: string): number | undefined {
  const match = /^(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([BMT])$/i.exec(text.trim());
  const [, experts = "1", count, unit = ""] = match ?? [];
  if (count === undefined) return undefined;
  const scale = { B: 1e9, M: 1e6, T: 1e12 }[unit.toUpperCase()] ?? 1e9;
  return Math.round(Number(experts) * Number(count) * scale);
}

/** What the words of a name say, for machines. */
export interface Found {
  parameters?: number;
  bitsPerWeight?: number;
  /** The format, by its name as a target. */
  method?: string;
  /** A type of GGUF. */
  type?: string;
  /** A type of small floats, which is a format of its own and a word of others. */
  numbers?: string;
  /** Words as targets spell them: "4bit", "128g". */
  readonly words: string[];
}

export interface Rule {
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

function numberType(pattern: RegExp, name: string, meaning: string): Rule {
  return {
    pattern,
    explain(_match, found) {
      found.numbers ??= name;
      found.words.push(name);
      return meaning;
    },
  };
}

/** Asked in this order for every word; words with hyphens inside come first. */
export const nameRules: readonly Rule[] = [
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
    explain([text, weights, activations], found) {
      // of the targets, one writes 8-bit weights for 8-bit activations
      found.words.push(activations === "16" ? `${weights}bit` : text.toLowerCase());
      if (activations === "16") found.method ??= "compressed-tensors";
      return `${weights}-bit weights, ${activations}-bit activations; in vLLM's words, mostly compressed-tensors`;
    },
  },
  numberType(/^(?:fp8|f8)$/i, "fp8", "8-bit floats"),
  numberType(/^nvfp4$/i, "nvfp4", "4-bit floats with block scales"),
  numberType(/^mxfp4$/i, "mxfp4", "4-bit floats with block scales"),
  {
    pattern: /^(\d+(?:[._]\d+)?)bpw$/i,
    explain([, bits = ""], found) {
      found.bitsPerWeight ??= Number(bits.replace("_", "."));
      found.words.push(`${found.bitsPerWeight}bpw`);
      return `${found.bitsPerWeight} bits per weight on average in the decoder's layers`;
    },
  },
  {
    pattern: /^(?:int)?(\d)[-_]?bits?$|^int(\d)$/i,
    explain([, first, second], found) {
      found.words.push(`${first ?? second}bit`);
      return `${first ?? second}-bit codes`;
    },
  },
  {
    pattern: /^(?:g|gs)?(32|64|128|256|512|1024)g?$/i,
    explain([text, size], found) {
      if (!/g/i.test(text)) return undefined;
      found.words.push(`${size}g`);
      return `groups of ${size} columns share a scale`;
    },
  },
  {
    pattern: /^h([2-8]|16)$/i,
    explain([, bits], found) {
      found.words.push(`h${bits}`);
      return `the output layer (head) has ${bits} bits`;
    },
  },
  {
    pattern: /^(a?sym)$/i,
    explain([, kind = ""], found) {
      found.words.push(kind.toLowerCase());
      return kind.toLowerCase() === "sym"
        ? "symmetric: no zero points"
        : "asymmetric: a zero point per group";
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
