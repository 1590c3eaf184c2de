import type { OptionDescription } from "../describe.ts";
import type { Vocabulary } from "./vocabulary.ts";

export function fishScript(vocabulary: Vocabulary): string {
  const { commands, values, listOption, typedOption, tensorOptions, tensorCommand } = vocabulary;
  const wordsOf = (name: string): string => values.get(name)?.join(" ") ?? "";
  const answersOf = (name: string): string | undefined => {
    if (name === listOption) return "(__requant_targets)";
    if (name === typedOption) return "(__requant_types)";
    if (tensorOptions.includes(name)) return "(__requant_tensors)";
    return values.has(name) ? wordsOf(name) : undefined;
  };
  const valueWords = ({ name, takesValue }: OptionDescription): string => {
    const answers = answersOf(name);
    if (answers !== undefined) return ` -x -a ${quoted(answers)}`;
    return takesValue ? " -r" : "";
  };
  const lines = commands.flatMap(({ name, description, options, words }) => {
    const here = `complete -c requant -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c requant -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`,
      ...(words.length === 0 ? [] : [`${here} -f -a ${quoted(words.join(" "))}`]),
      ...(name === tensorCommand
        ? [
            `complete -c requant -n '__fish_seen_subcommand_from ${name}; and test (count (commandline -opc)) -ge 3' -f -a '(__requant_tensors)'`,
          ]
        : []),
      ...options.map(
        (option) =>
          `${here} -l ${option.name.slice(2)}${valueWords(option)} -d ${quoted(option.description)}`,
      ),
    ];
  });
  return `# requant completion for fish. To use it: requant completion fish | source
function __requant_targets
  set -l list ${wordsOf(listOption)}
  set -l current (commandline -ct)
  set -l before (string match -r '.*,' -- $current)
  if test -n "$before"
    set -l format (string split -m1 : -- $current)[1]:
    set -l own (string match "$format*" -- $list)
    set list $list (string sub -s (math (string length -- $format) + 1) -- $own)
    printf '%s\\n' $before$list
  else
    printf '%s\\n' $list
  end
end
function __requant_tensors
  set -l given (commandline -opc)
  for word in $given[3..-1]
    set word (string replace -r '^~/' "$HOME/" -- $word)
    if not string match -q -- '-*' $word; and test -e $word
      $given[1] completion --tensors $word 2>/dev/null </dev/null
      return
    end
  end
end
function __requant_types
  set -l before (string match -r '.*=' -- (commandline -ct))
  if test -n "$before"
    set -l list ${wordsOf(typedOption)}
    printf '%s\\n' $before$list
  else
    __requant_tensors
  end
end
${lines.join("\n")}
`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
