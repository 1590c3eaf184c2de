/** The options of the commands that convert. */
import { type Command, Option } from "commander";
import { needs } from "./needed-options.ts";
import { collect, device, positive } from "./option-values.ts";
import { paragraph } from "./render/table.ts";

const roundingHelp =
  "Without --calibrate, new codes are rounded to the nearest one: requant help targets says what each format's own tools do more.";

/** The options that say how large the output is. */
export function sized(command: Command): Command {
  return command
    .option(
      "--target-bpw <bits>",
      "bits per weight, with a target that ends in :auto, over all tensors of a GGUF or the decoder's linear layers: the types, or widths, that lose the least",
    )
    .option("--target-size <size>", "the same for a size of all files together, with a unit: 4.5GB");
}

/** The option that an adapter needs to go to another format. */
export function based(command: Command): Command {
  return command.option(
    "--base <model>",
    "base model of a LoRA adapter: says how its tensors are named and stored in the other format",
  );
}

/** `--resume` of the commands that keep finished parts of their output. */
export const resumedOutput = [
  "--resume",
  "go on where an interrupted conversion of the same output ended",
] as const;

/** The options of the commands that write what they convert. */
export function written(command: Command): Command {
  return command
    .option("--plan", "print the plan, write nothing")
    .option("--overwrite", "replace an existing output")
    .option("--jobs <n>", "worker threads; default: as many as there are cores", positive)
    .option(...resumedOutput)
    .option("--no-verify", "do not re-read and compare what was written")
    .option(
      "--allow-non-finite",
      "go on where a weight is NaN or infinite, or becomes so; the report lists such weights",
    );
}

/** How many targets a command takes, as its help says it. */
const takenTargets = {
  one: "",
  several: "; several are separated by commas",
} as const;

/** The options that decide what a conversion makes. */
export function conversion(command: Command, takes: keyof typeof takenTargets = "several"): Command {
  return needs(
    command,
    "--to <target>",
    `a format and its words, such as gguf:q4_k_m, gguf:auto or safetensors:f16${takenTargets[takes]}; requant help targets lists all`,
  )
    .option("--exact", "refuse any tensor that would not keep its values; looks for grids")
    .option(
      "--grids",
      "look for the grid of an earlier quantization in float matrices and keep its codes: one pass more over those that have one",
    )
    .option(
      "--shard-size <size>",
      "split the output into files with at most so many bytes of tensors, with a unit: 5G",
    )
    .option("--imatrix <file>", "importance matrix (GGUF or .dat)")
    .option(
      "--calibrate <file>",
      "a text, statistics of one (.safetensors), or builtin, the text that comes with this program: codes that keep the outputs of each layer",
    )
    .option("--samples <n>", "of the text: windows, spread evenly; default: all, at most 128")
    .option("--window <tokens>", "of the text: tokens of a window; default: 512")
    .option(
      "--seed <n>",
      "of the text: choose the windows at random, always the same for a seed; with fewer than it has",
    )
    .option("--device <device>", "of the text: what runs the model, cpu (the default) or webgpu", device)
    .option("--include-weights <text>", "use the matrix only for names with this text; repeatable", collect)
    .option("--exclude-weights <text>", "do not use the matrix for names with this text; repeatable", collect)
    .option("--pure", "one type for all quantized tensors")
    .option("--tensor <regex=encoding>", "type of the tensors whose name matches; repeatable", collect)
    .option("--output-tensor <type>", "type of the output tensor")
    .option("--token-embedding <type>", "type of the token embedding")
    .option("--leave-output", "keep the output tensor as it is")
    .addOption(
      new Option(
        "--part <part>",
        "of a model that sees or hears: its text model (the default), the projector beside it, or a file of each",
      ).choices(["text", "mmproj", "all"]),
    )
    .option("--keep-split", "as many files as the source has")
    .option("--prune-layers <list>", "leave these layers out, for example 20,21")
    .option("--allow-requantize", "quantize tensors that are quantized already")
    .option("--requantize-rest", "also quantize the linear layers that a packed source keeps in floats")
    .option("--llamafy", "rename, split and pad a checkpoint that amounts to a Llama into a LlamaForCausalLM")
    .option("--like <reference.gguf>", "take metadata and tokenizer from a GGUF of the same model")
    .option(
      "--set <key=value>",
      "set a metadata key of the output, also key=type:value and key=@file; repeatable",
      collect,
    )
    .addHelpText("after", `\n${paragraph(roundingHelp)}`);
}
