import type { Vocabulary } from "./vocabulary.ts";

/** For PowerShell 5.1 and 7. Words with a colon or a comma stand in quotes where the shell would take them apart. */
export function powershellScript(vocabulary: Vocabulary): string {
  const { commands, values, listOption, typedOption, tensorOptions, tensorCommand } = vocabulary;
  const table = (entries: readonly (readonly [string, readonly string[]])[]): string =>
    entries.map(([key, words]) => `  ${quoted(key)} = @(${words.map(quoted).join(", ")})`).join("\n");
  return `# requant completion for PowerShell. To use it: requant completion powershell | Out-String | Invoke-Expression
# To have it in every session, add that line to the file that $PROFILE names.
$RequantFlags = @{
${table(commands.map(({ name, options }) => [name, [...options.map((option) => option.name), "--help"]]))}
}
$RequantWords = @{
${table(commands.filter(({ words }) => words.length > 0).map(({ name, words }) => [name, words]))}
}
$RequantValues = @{
${table([...values])}
}
Register-ArgumentCompleter -Native -CommandName requant -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $given = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "$_" })
  $word = "$wordToComplete"
  $before = ''
  $command = if ($given.Count -gt 1) { $given[1] } else { '' }
  $previous = $given[-1]
  $list = @()
  # a list with commas is one element for the parser, which ends where the cursor is
  $text = $commandAst.ToString()
  $typed = $text.Substring(0, [Math]::Min($text.Length, $cursorPosition - $commandAst.Extent.StartOffset))
  $last = ($typed -split '\\s+')[-1]
  if ($last -match '[,=]') { $word = $last; $given = @($typed.Trim() -split '\\s+' | Select-Object -SkipLast 1); $previous = $given[-1] }
  if ($given.Count -le 1) {
    $list = @(${[...commands.map(({ name }) => name), "--help", "--version"].map(quoted).join(", ")})
  } elseif ($previous -eq ${quoted(listOption)}) {
    $list = $RequantValues[$previous]
    if ($word.Contains(',')) {
      $before = $word.Substring(0, $word.LastIndexOf(',') + 1)
      $format = ($word -split '[:,]')[0] + ':'
      $list += @($list | Where-Object { $_.StartsWith($format) } | ForEach-Object { $_.Substring($format.Length) })
    }
  } elseif ($previous -eq ${quoted(typedOption)} -and $word.Contains('=')) {
    $before = $word.Substring(0, $word.LastIndexOf('=') + 1)
    $list = $RequantValues[$previous]
  } elseif (@(${tensorOptions.map(quoted).join(", ")}) -contains $previous -or ($command -eq ${quoted(tensorCommand)} -and $given.Count -eq 3 -and -not $word.StartsWith('-'))) {
    $source = $given | Select-Object -Skip 2 | Where-Object { Test-Path $_ } | Select-Object -First 1
    if ($source) { $list = @(requant completion --tensors $source 2>$null) }
  } elseif ($RequantValues.ContainsKey($previous)) {
    $list = $RequantValues[$previous]
  } elseif ($word.StartsWith('-')) {
    $list = $RequantFlags[$command]
  } elseif ($given.Count -eq 2 -and $RequantWords.ContainsKey($command)) {
    $list = $RequantWords[$command]
  }
  $end = $word.Substring($before.Length)
  $list | Where-Object { $_ -and $_.StartsWith($end) } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new("$before$_", $_, 'ParameterValue', $_)
  }
}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
