/** Examples of each command: for `--help`, the man page and `help --json`. A test runs every one, in this order. */
export interface Example {
  /** As a person types it. */
  readonly line: string;
  /** What it does, in a few words. */
  readonly does: string;
}

const lines: Readonly<Record<string, readonly (readonly [line: string, does: string])[]>> = {
  convert: [
    ["requant convert ./model model.gguf --to q8_0", "a directory to one GGUF file"],
    ["requant convert ./model ./out --to gguf:q5_k_m,q4_k_m", "two files of one reading"],
    ["requant convert model.gguf ./floats --to safetensors:bf16", "back to floats"],
    ["requant convert ./model made/model.gguf --to q8_0 --plan-out plan.json", "a plan for many machines"],
  ],
  inspect: [
    ["requant inspect model.gguf", "what is in a file"],
    ["requant inspect ./model --tensors --json", "every tensor, for a script"],
  ],
  plan: [["requant plan ./model --to q4_k_m", "what each weight would become, and the size"]],
  run: [
    ["requant run plan.json --part 1/2", "the first of two parts"],
    ["requant run plan.json --part 2/2", "the second, on this machine or another"],
  ],
  finish: [["requant finish plan.json", "when all parts are made"]],
  fleet: [
    ["requant fleet submit plan.json", "put the parts into the queue"],
    ["requant fleet work --until-empty", "make parts; on every machine"],
    ["requant fleet status plan.json", "what is done, running and failed"],
  ],
  "merge-lora": [
    ["requant merge-lora ./model ./adapter merged.gguf --to q8_0", "base and adapter in one file"],
  ],
  "fake-quantize": [
    ["requant fake-quantize ./model ./fake --to q4_0 --dtype bf16", "floats with the losses of Q4_0"],
  ],
  name: [["requant name Llama-3.1-8B-Instruct-Q4_K_M.gguf", "size, variant and type"]],
  choose: [
    ["requant choose ./model --memory 8GiB", "what fits, for this model"],
    ["requant choose --parameters 8B --vram 24GiB --context 32k", "the same without a model"],
  ],
  verify: [["requant verify ./model model.gguf --tolerance 1%", "equal within one percent?"]],
  evaluate: [
    ["requant evaluate model.gguf --text corpus.txt --chunks 2", "perplexity"],
    ["requant evaluate model.gguf --base ./model --text corpus.txt --chunks 2", "also KL divergence"],
  ],
  imatrix: [["requant imatrix ./model --text corpus.txt -o imatrix.gguf", "for convert --imatrix"]],
  calibrate: [
    ["requant calibrate ./model --text corpus.txt -o stats.safetensors", "for convert --calibrate"],
  ],
  doctor: [
    ["requant doctor ./model", "everything that is wrong"],
    ["requant doctor model.gguf --for llama.cpp --quick", "headers only, for one program"],
    ["requant doctor ./model --report report.json", "a file to attach to an issue"],
  ],
  dump: [
    ["requant dump model.gguf 'blk.0.*'", "names of tensors"],
    ["requant dump model.gguf blk.0.attn_q.weight --out q.npy", "values for NumPy"],
  ],
  metadata: [
    ["requant metadata list model.gguf", "every key"],
    [
      "requant metadata set model.gguf general.name=My-Model llama.context_length=8192 --dry-run",
      "what would change",
    ],
    ["requant metadata set model.gguf tokenizer.chat_template=@template.jinja", "the text of a file"],
    [`requant metadata set model.gguf 'general.tags=["chat", "code"]' my.scores='f32[]:[0.5, 1]'`, "lists"],
    ["requant metadata get model.gguf tokenizer.chat_template", "one value"],
  ],
  hash: [["requant hash model.gguf --values", "equal for equal weights of any format"]],
  split: [["requant split model.gguf parts/model.gguf --max-size 1MB", "several files"]],
  merge: [["requant merge parts/model-00001-of-00003.gguf one.gguf", "any of the files names them all"]],
  ui: [["requant ui model.gguf --port 0", "a page in the browser, until Ctrl-C"]],
  completion: [
    ["requant completion bash", "the script; source <(requant completion bash) uses it"],
    ["requant completion powershell", "the script; | Out-String | Invoke-Expression uses it"],
  ],
  help: [
    ["requant help targets", "a topic"],
    ["requant help convert", "a command"],
  ],
  version: [["requant version --json", "for a script"]],
};

/** The examples of a command. */
export function examplesOf(command: string): readonly Example[] {
  return (lines[command] ?? []).map(([line, does]) => ({ line, does }));
}

/** The end of a command's help. */
export function examplesText(command: string): string {
  const shown = examplesOf(command).map(({ line, does }) => `  # ${does}\n  ${line}`);
  return `\nExamples:\n${shown.join("\n")}`;
}
