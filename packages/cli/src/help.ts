/** `requant help`: a command, or a topic that several commands share. */
import { UsageError } from "@requant/core";
import { didYouMean, sizeUnits } from "@requant/core/text";
import type { Command } from "commander";
import { PROJECT_FILE } from "./config/places.ts";
import type { Context } from "./context.ts";
import { describeCommand, describeCommands } from "./describe.ts";
import { exitStatus } from "./exit.ts";
import type { Look } from "./render/look.ts";
import { facts, paragraph } from "./render/table.ts";
import { writeJson } from "./streams.ts";

type Topic = (look: Look) => string | Promise<string>;

const topics: Readonly<Record<string, Topic>> = {
  targets: targetsHelp,
  models: (look) =>
    facts(
      [
        ["file", "a .gguf or .safetensors file, or any shard of a set"],
        ["directory", "a Hugging Face-style directory"],
        ["https://…", "an address; only the parts that are needed are read, by HTTP ranges"],
        [
          "owner/repo",
          "a repository of the Hugging Face hub, where there is no such path; also its web address, and that of a file or a folder in it",
        ],
        [
          "hf:owner/repo",
          "the same, always: hf:owner/repo@revision:Q4_K_M/file; :Q4_K_M picks one of several GGUF files. HF_ENDPOINT names another hub, HF_TOKEN (or hf auth login) gives access, HF_HUB_OFFLINE=1 reads the cache alone",
        ],
        [
          "--cache",
          "download a model of the hub into the cache that hf has (HF_HUB_CACHE, HF_HOME) and read it there. Without it, files in the cache are read there, and of all others only the parts that are needed; --no-cache leaves the cache alone",
        ],
        ["ollama:name:tag", "a model that Ollama has stored here (OLLAMA_MODELS)"],
        ["lmstudio:owner/repo", "a model that LM Studio has stored here; :Q4_K_M and /file as for the hub"],
        [
          "s3://bucket/key",
          "an object store (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3)",
        ],
      ],
      look,
    ),
  output: (look) =>
    facts(
      [
        ["file", "for targets of one file; an existing directory gets a file named after the model"],
        ["directory", "for all other targets; made where there is none; its name does not end like a file's"],
        [
          "-",
          "standard output, as /dev/stdout is, where the output is one file; results and progress then go to standard error, and nothing is read back",
        ],
        [
          "hf:owner/repo",
          "a repository of the Hugging Face hub, made where there is none (--private); each file is made on this machine (--stage), sent and removed, and the last commit adds the model card; HF_TOKEN (or hf auth login) must allow writing",
        ],
        [
          "s3://bucket/folder",
          "an object store (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3): files are sent in parts as they are made",
        ],
        ["--overwrite", "replace files that exist; without it they are refused"],
        [
          "--resume",
          "go on where an interrupted conversion to the same output ended, also to the hub and to S3",
        ],
      ],
      look,
    ),
  sizes: (look) =>
    paragraph(
      `A size is a number with a unit: ${sizeUnits}. 5G and 5GB are 5,000,000,000 bytes, 5GiB is 5,368,709,120. A number without a unit is refused.`,
      look,
    ),
  status: (look) =>
    facts(
      [
        ["0", "done"],
        ["1", "compared or examined, and a difference or a problem was found"],
        ["2", "wrong usage"],
        ["3", "the input was refused: FORMAT, LIMIT, UNSUPPORTED"],
        ["4", "input or output failed: not found, network, disk full"],
        ["5", "the conversion asked for is not possible"],
        ["70", "a fault of requant itself: please report it, with the file of requant doctor --report"],
        ["130", "interrupted"],
      ],
      look,
    ),
  config: (look) =>
    [
      paragraph(
        `Defaults for options are read from the user's file, and from ${PROJECT_FILE} in the working folder, whose values win. The command line wins over both, and so does a variable of the environment that says the same. --no-config leaves both out.`,
        look,
      ),
      facts(
        [
          [
            "user's file",
            "XDG_CONFIG_HOME/requant/config.json, or ~/.config/requant/config.json; on Windows APPDATA\\requant\\config.json",
          ],
          [
            "keys",
            "long names of options, for every command that has the option; under the name of a command for it alone",
          ],
          [
            "values",
            "texts, numbers, true and false, lists for repeatable options; --no-verify is verify: false",
          ],
          [
            "updateNotice",
            "true, in the user's file only: say when there is a newer version, asked of GitHub at most once a day; default: false",
          ],
          [
            "refused",
            "secrets; options of one command line, such as --json, --abort and --output; in a folder's file, which may be a stranger's, all but the harmless ones: what replaces files, leaves out checks, reaches a network or hides messages may stand in the user's file only",
          ],
        ],
        look,
      ),
      `  {\n    "jobs": 4,\n    "convert": { "shard-size": "5G", "tensor": ["ffn_down=q6_k"] }\n  }`,
      paragraph(
        "Defaults that were taken are named on standard error, and in JSON documents under defaults.",
        look,
      ),
    ].join("\n\n"),
  environment: (look) => facts(variables, look),
};

/** Variables that requant reads itself. */
const variables: readonly (readonly [name: string, does: string])[] = [
  [
    "HF_TOKEN",
    "gives access to repositories of the Hugging Face hub; else the token of hf auth login is used",
  ],
  ["HF_ENDPOINT", "the hub, or a mirror of it"],
  ["HF_HUB_CACHE, HF_HOME", "where the cache of hf is"],
  ["HF_HUB_OFFLINE", "1: read the cache alone"],
  ["AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", "the key for s3:// addresses"],
  ["AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL", "an object store of another maker; the name with S3 comes first"],
  ["OLLAMA_MODELS", "where Ollama stores models"],
  ["REDIS_URL", "the queue of requant fleet"],
  ["NO_COLOR", "no colours"],
  ["COLUMNS", "the width of tables where there is no terminal"],
  ["XDG_CONFIG_HOME, APPDATA", "where the user's file of defaults is: requant help config"],
  ["XDG_CACHE_HOME, LOCALAPPDATA", "where work is kept that can be made again"],
  ["NODE_DISABLE_COMPILE_CACHE", "1: keep no compiled code in the user's cache"],
];

/** Prints the help of a command or a topic. @throws UsageError for a word that is neither */
export async function help(
  word: string | undefined,
  program: Command,
  { streams, look, options }: Pick<Context, "streams" | "look" | "options">,
): Promise<number> {
  if (word === undefined && options.json) {
    writeJson(streams, { commands: describeCommands(program), topics: helpTopics });
    return exitStatus.done;
  }
  const command = word === undefined ? program : program.commands.find((each) => each.name() === word);
  if (command !== undefined) {
    if (options.json) writeJson(streams, describeCommand(command));
    else command.outputHelp();
    return exitStatus.done;
  }
  const topic = word !== undefined && Object.hasOwn(topics, word) ? topics[word] : undefined;
  if (topic === undefined) {
    const names = [...Object.keys(topics), ...program.commands.map((each) => each.name())];
    throw new UsageError(`There is no help on "${word}".${didYouMean(word ?? "", names)}`, {
      hint: `The topics are ${Object.keys(topics).join(", ")}, and every command. See requant --help.`,
    });
  }
  // a script gets each paragraph as one line
  if (options.json) writeJson(streams, { topic: word, text: await topic({ ...look, width: WIDEST }) });
  else streams.out.write(`${await topic(look)}\n`);
  return exitStatus.done;
}

/** Characters of a line that no paragraph of help fills. */
const WIDEST = 10_000;

/** The text of a topic. */
export async function topicText(name: string, look: Look): Promise<string> {
  return (await topics[name]?.(look)) ?? "";
}

/** Names of the topics. */
export const helpTopics: readonly string[] = Object.keys(topics);

/** Every target format with its words, and what it does to floats. */
async function targetsHelp(look: Look): Promise<string> {
  const { describeTargets } = await import("@requant/convert");
  const parts = describeTargets().map(({ name, examples, words, rounding, spellings }) => {
    const lines = [look.colors.bold(name), `  ${paragraph(`Such as ${examples.join(", ")}.`, look, "  ")}`];
    if (words.length === 0) lines.push(`  ${paragraph(`All: ${spellings.join(" ")}`, look, "  ")}`);
    for (const { words: spelled, about, preset } of words) {
      const taken = preset === undefined ? "" : ` Without one: ${preset}.`;
      lines.push(`  ${paragraph(`${spelled}: ${about}${taken}`, look, "    ")}`);
    }
    if (rounding !== undefined) lines.push(`  ${paragraph(rounding, look, "  ")}`);
    return lines.join("\n");
  });
  const intro =
    "A target is FORMAT:WORD[-WORD…], in any case. Words alone are understood where only one format has them: q4_k_m. A format alone is refused.";
  const several =
    "convert, plan and merge-lora take several targets, separated by commas: gguf:q4_k_m,q5_k_m,q8_0. The output is a directory: GGUF files side by side, a folder for each target of another format. On this machine the targets share what they read of the model; for a server the model is read for each of them. Words without a format are those of the format before them.";
  return [paragraph(intro, look), paragraph(several, look), ...parts].join("\n\n");
}
