/** What the command says of the defaults that it took. */
/** One default that was taken from a file, for people and for scripts. */
export interface TakenDefault {
  /** "--jobs". */
  readonly option: string;
  readonly value: unknown;
  readonly file: string;
}

/** "From requant.config.json: --jobs 4, --pure." */
export function takenWords(taken: readonly TakenDefault[]): string[] {
  const files = [...new Set(taken.map(({ file }) => file))];
  return files.map((file) => {
    const own = taken.filter((each) => each.file === file);
    return `Defaults from ${file}: ${own.map(optionWords).join(", ")}. --no-config leaves them out.`;
  });
}

function optionWords({ option, value }: TakenDefault): string {
  if (value === true) return option;
  if (value === false) return option.startsWith("--no-") ? option : `${option} off`;
  return `${option} ${Array.isArray(value) ? value.join(" ") : String(value)}`;
}
