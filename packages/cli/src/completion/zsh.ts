import type { Vocabulary } from "./vocabulary.ts";

export function zshScript(vocabulary: Vocabulary): string {
  const { commands, values, listOption, typedOption, tensorOptions, tensorCommand } = vocabulary;
  const cases = (entries: readonly (readonly [string, readonly string[]])[]): string =>
    entries.map(([key, words]) => `      ${key}) list=(${words.join(" ")}) ;;`).join("\n");
  return `#compdef requant
# requant completion for zsh. To use it: source <(requant completion zsh), after compinit; or save it as _requant in a
# folder of $fpath.
_requant_tensors() {
  local word
  for word in "\${(@)words[3,CURRENT-1]}"; do
    word=\${(Q)word}
    [[ $word == "~/"* ]] && word=$HOME/\${word#"~/"}
    if [[ $word != -* && -e $word ]]; then
      list=("\${(@f)$("\${words[1]}" completion --tensors "$word" 2>/dev/null </dev/null)}")
      return
    fi
  done
}
_requant() {
  local -a list
  local current=$words[CURRENT]
  if (( CURRENT == 2 )); then
    list=(${[...commands.map(({ name }) => name), "--help", "--version"].join(" ")})
  elif [[ $words[CURRENT-1] == ${typedOption} && $current == *=* ]]; then
    list=(${values.get(typedOption)?.join(" ") ?? ""})
    list=("\${current%=*}="\${^list})
  elif [[ " ${tensorOptions.join(" ")} " == *" $words[CURRENT-1] "* ]] || [[ $words[2] == ${tensorCommand} && $CURRENT -eq 4 && $current != -* ]]; then
    _requant_tensors
  else
    case $words[CURRENT-1] in
${cases([...values].filter(([name]) => name !== typedOption))}
    esac
    if [[ $words[CURRENT-1] == ${listOption} && $current == *,* ]]; then
      local format=\${current%%[:,]*}:
      list+=(\${\${(M)list:#$format*}#$format})
      list=("\${current%,*},"\${^list})
    fi
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
