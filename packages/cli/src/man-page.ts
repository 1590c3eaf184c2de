/** The manual page in the language of man, from the same declarations as `--help`. */
import type { Command, Option } from "commander";
import pc from "picocolors";
import { examplesOf } from "./examples.ts";
import { helpTopics, topicText } from "./help.ts";
import type { Look } from "./render/look.ts";

/** No colours, and lines that fit a page. */
const LOOK: Look = { width: 72, colors: pc.createColors(false) };

/** Topics that have a section of their own name; targets are too long for a page. */
const SECTIONS: Readonly<Record<string, string>> = {
  models: "MODELS",
  output: "OUTPUTS",
  sizes: "SIZES",
  config: "DEFAULTS",
  environment: "ENVIRONMENT",
  status: "EXIT STATUS",
};

export async function manPage(program: Command): Promise<string> {
  const common = commonOptions(program.commands);
  const lines = [
    '.\\" Written by pnpm run man-page from the declarations of the command line.',
    '.TH REQUANT 1 "" "requant" "User Commands"',
    ".SH NAME",
    `requant \\- ${prose(lowered(program.description()))}`,
    ".SH SYNOPSIS",
    ".B requant",
    "\\fIcommand\\fR [\\fIoptions\\fR]",
    ".SH DESCRIPTION",
    prose(
      "Requant reads, converts, compares and examines files of quantized models of any format. Results go to standard output; progress and messages go to standard error.",
    ),
    ".SH COMMON OPTIONS",
    ...common.flatMap(optionLines),
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => commandLines(command, common)),
    ".SH TARGETS",
    prose("A target is a format and its words, such as gguf:q4_k_m. requant help targets lists all."),
  ];
  const topics = [];
  for (const topic of helpTopics) {
    const title = SECTIONS[topic];
    if (title !== undefined) topics.push([`.SH ${title}`, ...preformatted(await topicText(topic, LOOK))]);
  }
  const reporting = [
    ".SH REPORTING PROBLEMS",
    prose(
      "requant doctor MODEL --report report.json makes a file to attach to an issue at https://github.com/requant/requant/issues. It holds nothing private.",
    ),
  ];
  return `${[...lines, ...topics.flat(), ...reporting].join("\n")}\n`;
}

/** The options that every command has. */
function commonOptions([first, ...others]: readonly Command[]): readonly Option[] {
  return (first?.options ?? []).filter(({ flags }) =>
    others.every((other) => other.options.some((option) => option.flags === flags)),
  );
}

function commandLines(command: Command, common: readonly Option[]): string[] {
  const own = command.options.filter(({ flags }) => !common.some((option) => option.flags === flags));
  const shown = command.registeredArguments.map((argument) =>
    argument.required ? `\\fI${code(argument.name())}\\fR` : `[\\fI${code(argument.name())}\\fR]`,
  );
  return [
    `.SS requant ${code(command.name())}`,
    `.B requant ${code(command.name())}`,
    [...shown, "[\\fIoptions\\fR]"].join(" "),
    ".PP",
    prose(sentence(command.description())),
    ...own.flatMap(optionLines),
    ...more(command),
    ".PP",
    "Examples:",
    ...preformatted(
      examplesOf(command.name())
        .map(({ line, does }) => `# ${does}\n${line}`)
        .join("\n"),
    ),
  ];
}

function optionLines({ flags, description }: Option): string[] {
  return [".TP", `.B ${code(flags)}`, prose(sentence(description))];
}

/** What a command's help tells behind its options, but for the examples. */
function more(command: Command): string[] {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  const [told = ""] = text.slice(command.helpInformation().length).split("\nExamples:\n");
  if (told.trim() === "") return [];
  // paragraphs that were laid out for a terminal flow again; lists keep their lines
  const parts = told.trim().split(/\n{2,}/);
  return parts.flatMap((part) =>
    /^ /m.test(part) ? preformatted(part) : [".PP", prose(part.replaceAll("\n", " "))],
  );
}

function preformatted(text: string): string[] {
  return [".PP", ".nf", ...text.split("\n").map((line) => prose(code(line), true)), ".fi"];
}

/** A text whose first character is no command of the language. */
function prose(text: string, isCode = false): string {
  const safe = isCode ? text : escaped(text);
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}

/** A text to be copied: its hyphens are those of the keyboard. */
function code(text: string): string {
  return escaped(text).replaceAll("-", "\\-");
}

function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replace(
      /[^\u0020-\u007e\n]/gu,
      (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}

function lowered(text: string): string {
  return (text.charAt(0).toLowerCase() + text.slice(1)).replace(/\.$/, "");
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:]$/.test(capital) ? capital : `${capital}.`;
}
