import type { Vocabulary } from "./vocabulary.ts";

export function zshScript({ commands, values, listOption }: Vocabulary): string {
  const cases = (entries: readonly (readonly [string, readonly string[]])[]): string =>
    entries.map(([key, words]) => `      ${key}) list=(${words.join(" ")}) ;;`).join("\n");
  return `#compdef requant
# requant completion for zsh. To use it: source <(requant completion zsh), after compinit; or save it as _requant in a
# folder of $fpath.
_requant() {
  local -a list
  local current=$words[CURRENT]
  if (( CURRENT == 2 )); then
    list=(${[...commands.map(({ name }) => name), "--help", "--version"].join(" ")})
  else
    case $words[CURRENT-1] in
${cases([...values])}
    esac
    [[ $words[CURRENT-1] == ${listOption} && $current == *,* ]] && list=("\${current%,*},"\${^list})
  fi
  if (( $#list == 0 )) && [[ $current == -* ]]; then
    case $words[2] in
${cases(commands.map(({ name, options }) => [name, [...options.map((option) => option.name), "--help"]]))}
    esac
  elif (( $#list == 0 && CURRENT == 3 )); then
    case $words[2] in
${cases(commands.filter(({ words }) => words.length > 0).map(({ name, words }) => [name, words]))}
    esac
  fi
  if (( $#list > 0 )); then
    compadd -- $list
  else
    _files
  fi
}
if [[ $funcstack[1] == _requant ]]; then
  _requant "$@"
else
  compdef _requant requant
fi
`;
}
