import type { Vocabulary } from "./vocabulary.ts";

/**
 * Words are split at blanks alone: bash also splits at colons and equals signs, which targets and types have, so what stands
 * before the last of them is taken off the answers again. Names of tensors are never given to compgen, which would run what
 * looks like a command in them.
 */
export function bashScript(vocabulary: Vocabulary): string {
  const { commands, values, listOption, typedOption, tensorOptions, tensorCommand } = vocabulary;
  const names = commands.map(({ name }) => name);
  const cases = (entries: readonly (readonly [string, readonly string[]])[]): string =>
    entries.map(([key, words]) => `      ${key}) words="${words.join(" ")}" ;;`).join("\n");
  return `# requant completion for bash. To use it: source <(requant completion bash)
_requant_tensors() {
  local word
  for word in "\${@:3}"; do
    word=\${word//\\\\/}
    [[ $word == "~/"* ]] && word=$HOME/\${word#"~/"}
    if [[ $word != -* && -e $word ]]; then
      "$1" completion --tensors "$word" 2>/dev/null </dev/null
      return
    fi
  done
}
_requant() {
  local line=\${COMP_LINE:0:COMP_POINT} words="" previous="" command="" prefix="" word before=""
  local current=\${line##*[[:space:]]}
  local last=$current given
  read -r -a given <<< "\${line%"$current"}"
  local count=\${#given[@]}
  COMPREPLY=()
  if [[ $count -gt 1 ]]; then
    command=\${given[1]}
    previous=\${given[count - 1]}
  fi
  if [[ $count -le 1 ]]; then
    words="${[...names, "--help", "--version"].join(" ")}"
  elif [[ $previous == ${typedOption} && $current == *=* ]]; then
    before=\${current%=*}=
    last=\${current##*=}
    words="${values.get(typedOption)?.join(" ") ?? ""}"
  elif [[ " ${tensorOptions.join(" ")} " == *" $previous "* || ( $command == ${tensorCommand} && $count -eq 3 && $current != -* ) ]]; then
    while read -r word; do
      [[ $word == "$current"* ]] && COMPREPLY+=("$word")
    done < <(_requant_tensors "\${given[@]}")
    [[ \${#COMPREPLY[@]} -eq 0 ]] && return
  else
    case "$previous" in
${cases([...values].filter(([name]) => name !== typedOption))}
    esac
  fi
  if [[ -z $words && $current == -* ]]; then
    case "$command" in
${cases(commands.map(({ name, options }) => [name, [...options.map((option) => option.name), "--help"]]))}
    esac
  elif [[ -z $words && $count -eq 2 ]]; then
    case "$command" in
${cases(commands.filter(({ words }) => words.length > 0).map(({ name, words }) => [name, words]))}
    esac
  fi
  if [[ $previous == ${listOption} && $current == *,* ]]; then
    before=\${current%,*},
    last=\${current##*,}
    local format=\${current%%[:,]*}:
    for word in $words; do [[ $word == "$format"* ]] && words+=" \${word#"$format"}"; done
  fi
  if [[ -n $words ]]; then
    while read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -W "$words" -- "$last")
  fi
  local mark
  for mark in : =; do
    if [[ $current == *"$mark"* && $COMP_WORDBREAKS == *"$mark"* ]]; then
      prefix=\${current%"\${current##*"$mark"}"}
      COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
    fi
  done
}
complete -o default -F _requant requant
`;
}
