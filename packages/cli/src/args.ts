import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Context, Handler } from "./context.ts";
import { type CommonOptions, colorsFor, type Streams } from "./streams.ts";
import { VERSION } from "./version.ts";

/** The whole command line. Handlers load when called, so that `--help` and the small commands start fast. */
export function buildProgram(streams: Streams, signal: AbortSignal, done: (status: number) => void): Command {
  const program = new Command("requant");
  program
    .description("Inspect, convert and verify quantized model files of any format.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out.write(text),
      writeErr: () => {},
    })
    .action(() => {
      throw new CommanderError(2, "requant.noCommand", "no command given");
    });

  const command = (usage: string, description: string, load: () => Promise<Handler>): Command => {
    const added = program
      .command(usage)
      .description(description)
      .option("--json", "one JSON document on stdout; an error is one JSON line on stderr")
      .option("--quiet", "no progress, no messages")
      .option("--debug", "stack traces")
      .exitOverride();
    added.action(async () => {
      const options = added.opts<CommonOptions & Record<string, unknown>>();
      const context: Context = {
        streams,
        signal,
        colors: colorsFor(process.stdout),
        options,
      };
      const args = added.processedArgs
        .flat()
        .filter((argument): argument is string => typeof argument === "string");
      done(await (await load())(args, options, context));
    });
    return added;
  };

  command(
    "inspect <model>",
    "what is in a model: measured from the tensors, next to what its config claims",
    async () => (await import("./commands/inspect.ts")).inspect,
  )
    .option("--tensors", "list every tensor")
    .option("--metadata", "list every metadata key or config value");

  conversion(
    command(
      "convert <model> <output>",
      "convert to another format",
      async () => (await import("./commands/convert.ts")).convert,
    ),
  )
    .option("--plan", "print the plan, write nothing")
    .option("--overwrite", "replace an existing output")
    .option("--jobs <n>", "worker threads; default: as many as there are cores", positive)
    .option("--resume", "go on where an interrupted conversion of the same output ended")
    .option("--no-verify", "do not re-read and compare what was written")
    .option(...allowNonFinite);

  conversion(
    command(
      "plan <model>",
      "what convert would do, weight by weight; writes nothing",
      async () => (await import("./commands/plan.ts")).plan,
    ),
  );

  conversion(
    command(
      "fake-quantize <model> <output>",
      "a float model whose weights went through a target and back",
      async () => (await import("./commands/fake-quantize.ts")).fakeQuantize,
    ),
  )
    .option("--dtype <type>", "what the values are stored in: f32, f16 or bf16", "f32")
    .option("--plan", "print the plan, write nothing")
    .option("--overwrite", "replace an existing output")
    .option("--no-verify", "do not re-read and compare what was written")
    .option(...allowNonFinite);

  command(
    "name <model-name>",
    "what the words in a model's name say",
    async () => (await import("./commands/name.ts")).name,
  );

  command(
    "choose",
    "sizes and published quality figures of the formats that fit",
    async () => (await import("./commands/choose.ts")).choose,
  )
    .requiredOption("--parameters <count>", "of the model: 8B, 1.1B, 8x7B")
    .option("--memory <size>", "most bytes that the weights may take, for example 8GiB");

  command(
    "verify <a> <b>",
    "compare two models weight by weight in f32",
    async () => (await import("./commands/verify.ts")).verify,
  ).option("--tolerance <relative>", "relative RMSE that counts as equal", number, 0);

  command(
    "doctor <model>",
    "everything wrong with a model in one pass, each finding with a code and a remedy",
    async () => (await import("./commands/doctor.ts")).doctor,
  ).option("--quick", "headers and side files only: no weights are read");

  command(
    "dump <model> <tensor>",
    "dequantized values of one tensor",
    async () => (await import("./commands/dump.ts")).dump,
  )
    .option("--rows <a:b>", "rows a up to, not including, b")
    .option("--out <file.npy>", "write them as a NumPy array");

  command(
    "metadata <action> <file> [entries...]",
    "get, set, unset or list GGUF metadata",
    async () => (await import("./commands/metadata.ts")).metadata,
  ).addHelpText("after", "\nset takes KEY=TYPE:VALUE, for example general.name=str:My-Model");

  command(
    "hash <model>",
    "sha256 of the file and of every tensor",
    async () => (await import("./commands/hash.ts")).hash,
  )
    .option("--tensors", "one line a tensor")
    .option("--values", "hash the dequantized f32 values: equal weights hash equal across formats");

  for (const [name, description] of [
    ["split", "cut a GGUF or safetensors model into several files"],
    ["merge", "put the files of a split model into one"],
  ] as const) {
    const added = command(
      `${name} <model> <output>`,
      description,
      async () => (await import("./commands/split.ts"))[name],
    )
      .option("--overwrite", "replace existing files")
      .option("--no-verify", "do not re-read and compare what was written");
    if (name === "split") {
      added
        .option("--max-size <size>", "most bytes in one file, for example 5G")
        .option("--max-tensors <n>", "most tensors in one file");
    }
  }

  return program;
}

const allowNonFinite = [
  "--allow-non-finite",
  "go on where a weight is NaN or infinite, or becomes so; the report lists such weights",
] as const;

/** The options that decide what a conversion makes. */
function conversion(command: Command): Command {
  return command
    .requiredOption(
      "--to <target>",
      "a format and its words: gguf:q4_k_m, gguf:auto, safetensors:f16 …; a wrong word is answered with the right ones",
    )
    .option("--exact", "refuse any tensor that would not keep its values")
    .option("--shard-size <size>", "split the output, for example 5G")
    .option("--imatrix <file>", "importance matrix (GGUF or .dat)")
    .option(
      "--include-weights <text>",
      "use the matrix only for names with this text; repeatable",
      collect,
      [],
    )
    .option(
      "--exclude-weights <text>",
      "do not use the matrix for names with this text; repeatable",
      collect,
      [],
    )
    .option("--pure", "one type for all quantized tensors")
    .option("--tensor <regex=encoding>", "type of the tensors whose name matches; repeatable", collect, [])
    .option("--output-tensor <type>", "type of the output tensor")
    .option("--token-embedding <type>", "type of the token embedding")
    .option("--leave-output", "keep the output tensor as it is")
    .option("--keep-split", "as many files as the source has")
    .option("--prune-layers <list>", "leave these layers out, for example 20,21")
    .option("--allow-requantize", "quantize tensors that are quantized already")
    .option("--requantize-rest", "also quantize the linear layers that a packed source keeps in floats")
    .option("--llamafy", "rename, split and pad a checkpoint that amounts to a Llama into a LlamaForCausalLM")
    .option("--like <reference.gguf>", "take metadata and tokenizer from a GGUF of the same model")
    .option("--set <key=type:value>", "set a metadata key of the output; repeatable", collect, []);
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function positive(value: string): number {
  const parsed = Number(value);
  if (!/^\d+$/.test(value) || parsed < 1 || parsed > 1024)
    throw new InvalidArgumentError("It must be a whole number from 1 to 1024.");
  return parsed;
}

function number(value: string): number {
  const parsed = Number(value);
  if (value.trim() === "" || !Number.isFinite(parsed) || parsed < 0)
    throw new InvalidArgumentError("It must be a number, zero or more.");
  return parsed;
}
