import type { Vocabulary } from "./vocabulary.ts";

/**
 * Words are split at blanks alone: bash also splits at colons, which targets have, so what stands before the last colon is
 * taken off the answers again.
 */
export function bashScript({ commands, values, listOption }: Vocabulary): string {
  const names = commands.map(({ name }) => name);
  const cases = (entries: readonly (readonly [string, readonly string[]])[]): string =>
    entries.map(([key, words]) => `      ${key}) words="${words.join(" ")}" ;;`).join("\n");
  return `# requant completion for bash. To use it: source <(requant completion bash)
_requant() {
  local line=\${COMP_LINE:0:COMP_POINT} words="" previous="" command="" prefix=""
  local current=\${line##*[[:space:]]}
  local given
  read -r -a given <<< "\${line%"$current"}"
  local count=\${#given[@]}
  COMPREPLY=()
  if [[ $count -gt 1 ]]; then
    command=\${given[1]}
    previous=\${given[count - 1]}
  fi
  if [[ $count -le 1 ]]; then
    words="${[...names, "--help", "--version"].join(" ")}"
  else
    case "$previous" in
${cases([...values])}
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
  [[ -z $words ]] && return
  local word before="" last=$current
  if [[ $previous == ${listOption} && $current == *,* ]]; then
    before=\${current%,*},
    last=\${current##*,}
  fi
  while read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -W "$words" -- "$last")
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    prefix=\${current%"\${current##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  fi
}
complete -o default -F _requant requant
`;
}
