import { Command } from "commander";
import { takeDefaults } from "./config/defaults.ts";
import type { Context, Handler } from "./context.ts";
import { based, conversion, resumedOutput, sized, written } from "./conversion-options.ts";
import { fleetOptions } from "./fleet-options.ts";
import {
  calibrationTextHelp,
  deviceOption,
  jobsOption,
  measuring,
  output,
  resumeOption,
  windowOption,
} from "./measure-options.ts";
import { metadataOptions } from "./metadata-options.ts";
import { needs, refuseMissing } from "./needed-options.ts";
import { notACommand, programHelp, topicsHelp } from "./no-command.ts";
import { collect, port, positive, tolerance } from "./option-values.ts";
import { lookOf } from "./render/look.ts";
import { paragraph } from "./render/table.ts";
import { tell } from "./render/tell.ts";
import { refuseRepeated } from "./repeated-options.ts";
import type { CommonOptions, Streams } from "./streams.ts";
import { VERSION } from "./version.ts";

/**
 * The whole command line. Handlers load when called, so that `--help` and the small commands start fast.
 * @param examples what ends the help of a command; only help needs it
 */
export function buildProgram(
  streams: Streams,
  signal: AbortSignal,
  done: (status: number) => void,
  examples: (command: string) => string = () => "",
): Command {
  const look = lookOf(streams.out);
  const { colors } = look;
  const program = new Command("requant");
  program
    .description("Inspect, convert and verify quantized model files of any format.")
    .version(VERSION)
    .exitOverride()
    .configureHelp({
      subcommandTerm: (each) => each.name(),
      styleTitle: colors.bold,
      styleCommandText: colors.cyan,
      styleOptionText: colors.cyan,
    })
    .configureOutput({
      writeOut: (text) => streams.out.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => look.width,
      getOutHasColors: () => colors.isColorSupported,
    })
    .addHelpText("after", `\n${paragraph(topicsHelp, look)}`)
    // what is no command is named below, before its options are looked at
    .allowUnknownOption()
    .argument("[words...]")
    .usage("<command> [options]")
    .hook("preSubcommand", (_, subcommand) => refuseRepeated(subcommand))
    .action((words: readonly string[]) => {
      throw notACommand(words, program);
    });
  program.helpInformation = programHelp(program);

  const command = (usage: string, description: string, load: () => Promise<Handler>): Command => {
    const added = program
      .command(usage)
      .description(description)
      .option("--json", "one JSON document on stdout; an error is one JSON line on stderr")
      .option("--quiet", "no progress, no messages")
      .option("--debug", "stack traces")
      .option("--no-config", "leave out the defaults of files: requant help config")
      .exitOverride();
    if (/[<[](?:model|a)[\]>]/.test(usage)) {
      added
        .option(
          "--cache",
          "download a model of the hub into the cache of hf first; default: fetch only the parts that are read",
        )
        .option(
          "--no-cache",
          "neither read nor fill the cache of hf; default: files that are in it are read there",
        );
    }
    added.action(async () => {
      const { taken, words, updateNotice } = await takeDefaults(added, program.commands);
      const options = added.opts<CommonOptions & Record<string, unknown>>();
      refuseMissing(added, options);
      const args = added.processedArgs
        .flat()
        .filter((argument): argument is string => typeof argument === "string");
      const context: Context = { streams: { ...streams, defaults: taken }, signal, look, options };
      // a file does not hide what it sets
      const isQuiet = options.quiet === true && added.getOptionValueSource("quiet") !== "config";
      for (const sentence of words) {
        tell(sentence, { streams, options: { ...options, quiet: isQuiet } });
      }
      const notice = updateNotice
        ? await (await import("./update-notice.ts")).startUpdateNotice(context)
        : undefined;
      done(await (await load())(args, options, context));
      await notice?.();
    });
    return added;
  };

  command(
    "inspect <model>",
    "what is in a model: measured from the tensors, next to what its config claims",
    async () => (await import("./commands/inspect.ts")).inspect,
  )
    .option("--tensors", "list every tensor")
    .option(
      "--grids",
      "look for the grid of an earlier quantization in every matrix of floats; reads each that has one in whole",
    )
    .option("--metadata", "list every metadata key or config value")
    .option(...contextOption)
    .option(...kvOption)
    .option(...vramOption);

  written(
    based(
      sized(
        conversion(
          command(
            "convert <model> <output>",
            "convert to another format; the output is a path, hf:owner/repo, s3://bucket/folder, or - for standard output",
            async () => (await import("./commands/convert.ts")).convert,
          ),
        ),
      ),
    ),
  )
    .option("--dry-run", "as --plan; for an output on the hub also what would be sent, and the model card")
    .option("--private", "make the repository of an output on the hub private, where it is not there yet")
    .option("--stage <directory>", "where each file of an output on the hub lies until it is sent")
    .option(
      "--plan-out <file.json>",
      "save the plan for many machines in place of converting: requant run makes its parts, requant finish the output",
    );

  based(
    sized(
      conversion(
        command(
          "plan <model>",
          "what convert would do, weight by weight; writes nothing",
          async () => (await import("./commands/plan.ts")).plan,
        ),
      ),
    ),
  );

  needs(
    command(
      "run <plan.json>",
      "make one part of a plan that convert or calibrate saved with --plan-out; any part, in any order, at least once",
      async () => (await import("./commands/run.ts")).run,
    ),
    "--part <i/n>",
    "the part: 1/16 is the first of 16; - reads parts from standard input, one a line, and answers in JSON",
  )
    .option("--jobs <n>", "worker threads; default: as many as there are cores", positive)
    .option("--id <sha256>", "refuse a plan with another id")
    .option("--no-verify", "do not re-read and compare what was written");

  command(
    "finish <plan.json>",
    "check that all parts of a saved plan are made, and give the output its name",
    async () => (await import("./commands/finish.ts")).finish,
  )
    .option("--jobs <n>", "worker threads; default: as many as there are cores", positive)
    .option("--no-verify", "only look for all parts; do not read and compare their bytes")
    .option("--abort", "remove what the parts have made, in place of finishing");

  fleetOptions(
    command(
      "fleet <action> [plan.json]",
      "the parts of saved plans on many machines: submit, work or status",
      async () => (await import("./commands/fleet.ts")).fleet,
    ),
  );

  written(
    sized(
      conversion(
        command(
          "merge-lora <base> <adapter> <output>",
          "add a LoRA adapter to the weights of its base model, and convert the result",
          async () => (await import("./commands/merge-lora.ts")).mergeLora,
        ),
      ),
    ),
  );

  written(
    conversion(
      command(
        "fake-quantize <model> <output>",
        "a float model whose weights went through a target and back",
        async () => (await import("./commands/fake-quantize.ts")).fakeQuantize,
      ),
      "one",
    ),
  ).option("--dtype <type>", "what the values are stored in: f32, f16 or bf16", "f32");

  command(
    "name <model-name>",
    "what the words in a model's name say",
    async () => (await import("./commands/name.ts")).name,
  );

  command(
    "choose [model]",
    "sizes and published quality figures of the formats that fit, for a model or a number of parameters",
    async () => (await import("./commands/choose.ts")).choose,
  )
    .option("--parameters <count>", "the number of parameters, in place of a model: 8B, 1.1B, 8x7B")
    .option("--memory <size>", "most bytes that weights and context may take, with a unit: 8GiB")
    .option(...vramOption)
    .option(...contextOption)
    .option(...kvOption);

  command(
    "verify <a> <b>",
    "compare two models weight by weight in f32",
    async () => (await import("./commands/verify.ts")).verify,
  ).option("--tolerance <relative>", "relative RMSE that counts as equal: 0.01 or 1%", tolerance, 0);

  measuring(
    command(
      "evaluate <model>",
      "perplexity of a model on a text, and its distance to a base model of any format",
      async () => (await import("./commands/evaluate.ts")).evaluate,
    ),
  )
    .option("--base <model>", "also KL divergence and equal top tokens, against this model")
    .option("--chunks <n>", "only the first n windows of the text");

  output(
    command(
      "imatrix [model]",
      "importance matrix of a model on a text, as llama-imatrix makes it; or several merged",
      async () => (await import("./commands/imatrix.ts")).imatrix,
    ),
    "a .gguf file, or a .dat file for the older form",
  )
    .option("--text <file>", calibrationTextHelp)
    .option(...windowOption)
    .option("--chunks <n>", "only the first n windows of the text")
    .option("--process-output", "also measure the head (output.weight)")
    .option("--merge <file>", "add another matrix, or calibration statistics; repeatable", collect)
    .option(...resumeOption)
    .option(...jobsOption)
    .option(...deviceOption);

  output(
    measuring(
      command(
        "calibrate <model>",
        "statistics of what enters each weight while the model reads a text, for convert --calibrate",
        async () => (await import("./commands/calibrate.ts")).calibrate,
      ),
      calibrationTextHelp,
    ),
    "a .safetensors file",
  )
    .option("--samples <n>", "windows, spread evenly over the text; default: all, at most 128")
    .option(
      "--seed <n>",
      "choose the windows at random, always the same for a seed; with fewer windows than the text has",
    )
    .option(
      "--plan-out <file.json>",
      "save the plan for many machines in place of reading the text: requant run makes its parts, requant finish the output",
    )
    .option(
      "--slices <n>",
      "with --plan-out: into how many runs the windows are cut, and so the most parts; default: 8",
    )
    .option(...resumeOption);

  command(
    "doctor [model]",
    "everything wrong with a model in one pass, each finding with a code and a remedy",
    async () => (await import("./commands/doctor.ts")).doctor,
  )
    .option("--quick", "headers and side files only: no weights are read")
    .option(
      "--for <program>",
      "what is to run it: llama.cpp, vllm, transformers or exllamav2 (default: what its format is made for)",
    )
    .option(
      "--report <file>",
      "write a file to attach to an issue, or - for standard output: versions, header facts and findings, without weights, paths, names of people or tokens; without a model the versions alone",
    )
    .option("--to <target>", "with --report: also the plan of this conversion")
    .option("--overwrite", "with --report: replace an existing file");

  command(
    "dump <model> <tensor>",
    "dequantized values of one tensor, by its GGUF or Hugging Face name; a pattern with * lists names",
    async () => (await import("./commands/dump.ts")).dump,
  )
    .option("--rows <a:b>", "rows a up to, not including, b")
    .option("--out <file.npy>", "write them as a NumPy array; the name ends in .npy")
    .option("--overwrite", "replace an existing file");

  metadataOptions(
    command(
      "metadata <action> <file> [entries...]",
      "get, set, unset or list GGUF metadata",
      async () => (await import("./commands/metadata.ts")).metadata,
    ),
  );

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
      .option(...resumedOutput)
      .option("--no-verify", "do not re-read and compare what was written");
    if (name === "split") {
      added
        .option("--max-size <size>", "most bytes of tensors in one file, with a unit: 5G")
        .option("--max-tensors <n>", "most tensors in one file");
    }
  }

  command(
    "ui [models...]",
    "a page on this machine to look at models, compare and convert them; nothing is uploaded",
    async () => (await import("./commands/ui.ts")).ui,
  )
    .option("--port <n>", "the port; 0 takes any that is free", port, 4357)
    .option("--host <address>", "the address of this machine to listen at", "127.0.0.1");

  command(
    "completion [shell]",
    "completion for bash, zsh, fish or powershell",
    async () =>
      async ([shell], own, given) => {
        const { completion } = await import("./commands/completion.ts");
        const { tensors } = own;
        return completion(shell, typeof tensors === "string" ? tensors : undefined, program, given);
      },
  ).option(
    "--tensors <model>",
    "in place of a shell: names of the tensors of a model on this machine, for the scripts",
  );

  command("help [topic]", "a command, or one of the topics below", async () => async ([topic], _, given) => {
    const { help } = await import("./help.ts");
    return help(topic, program, given);
  });

  command("version", "the version of this program", async () => async (_arguments, _given, { options }) => {
    streams.out.write(options.json ? `${JSON.stringify({ version: VERSION })}\n` : `${VERSION}\n`);
    return 0;
  });

  for (const each of program.commands) each.addHelpText("after", () => examples(each.name()));
  return program;
}

const contextOption = [
  "--context <tokens>",
  "also count a context of so many tokens: 8192, 32k (k is 1024)",
] as const;
const kvOption = [
  "--kv <type>",
  "what the keys and values of the context are stored in: f16, q8_0 or q4_0",
] as const;
const vramOption = [
  "--vram <size>",
  "the memory of a graphics card, for weights and context together, with a unit: 24GiB",
] as const;
