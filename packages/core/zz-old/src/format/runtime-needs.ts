/** What programs that run models read of a format. Each format's package declares it of its own weights, with its sources. */

/** What is measured of a weight, as far as programs ask for it (`MeasuredSettings`). */
export interface AskedSettings {
  readonly bits: string;
  readonly groupSize: number | "mixed";
  readonly symmetric: boolean;
  readonly variant: string;
}

/** A setting of a weight, and the values of it that a program reads. */
export interface SettingNeed {
  readonly setting: keyof AskedSettings;
  /** Group sizes: −1 stands for one group of all columns. */
  readonly among: readonly (string | number | boolean)[];
  /** True where some releases of the program read other values too: such a weight is doubtful, not refused. */
  readonly varies?: true;
}

/** What one program needs of a format's weights and of their configuration. */
export interface RuntimeNeeds {
  readonly settings?: readonly SettingNeed[];
  /** Keys without which the program refuses the configuration, each with its other spellings. */
  readonly configKeys?: readonly (readonly string[])[];
}

/** By the names that `doctor` has for programs. A program that is not named does not read the format. */
export type RuntimeTable = Readonly<Record<string, RuntimeNeeds>>;

/** What a weight's settings have that the program does not read; undefined where it reads all of it. */
export function unmetNeed(
  { setting, among }: SettingNeed,
  settings: AskedSettings,
  columns: number,
): string | undefined {
  const value = settings[setting];
  const fits =
    // codes of several widths: each must be read
    setting === "bits"
      ? settings.bits.split("+").every((width) => among.includes(Number(width)))
      : among.includes(value) ||
        value === "mixed" ||
        (setting === "groupSize" && value === columns && among.includes(-1));
  return fits ? undefined : words[setting](value);
}

const words: Readonly<
  Record<SettingNeed["setting"], (value: AskedSettings[SettingNeed["setting"]]) => string>
> = {
  bits: (value) => `codes of ${String(value)} bits`,
  groupSize: (value) => `groups of ${String(value)} columns`,
  symmetric: (value) => (value === true ? "symmetric codes" : "zero points (asymmetric codes)"),
  variant: (value) => `the packing ${String(value)}`,
};

/** The values that are read, in words: "4 or 8 bits". */
export function readValues({ setting, among }: SettingNeed): string {
  const list = among
    .map((value) => (setting === "groupSize" && value === -1 ? "all" : value))
    .map(String)
    .join(", ");
  return {
    bits: `${list} bits`,
    groupSize: `groups of ${list} columns`,
    symmetric: among.includes(true) ? "symmetric codes" : "asymmetric codes",
    variant: list,
  }[setting];
}
