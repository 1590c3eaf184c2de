import type { Vocabulary } from "./vocabulary.ts";

export function fishScript({ commands, values, listOption }: Vocabulary): string {
  const answersOf = (name: string, words: readonly string[]): string =>
    name === listOption ? `(__fish_complete_list , "printf '%s\\n' ${words.join(" ")}")` : words.join(" ");
  const lines = commands.flatMap(({ name, description, options, words }) => [
    `complete -c requant -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`,
    ...(words.length === 0
      ? []
      : [`complete -c requant -n '__fish_seen_subcommand_from ${name}' -f -a ${quoted(words.join(" "))}`]),
    ...options.map((option) => {
      const own = values.get(option.name);
      const value =
        own === undefined
          ? option.takesValue
            ? " -r"
            : ""
          : ` -x -a ${quoted(answersOf(option.name, own))}`;
      return `complete -c requant -n '__fish_seen_subcommand_from ${name}' -l ${option.name.slice(2)}${value} -d ${quoted(option.description)}`;
    }),
  ]);
  return `# requant completion for fish. To use it: requant completion fish | source\n${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
