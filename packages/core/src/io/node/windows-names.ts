/** Names that Windows takes for something else, or writes differently than they were given. */
import { IoError } from "../../errors.ts";
import { quoted } from "../../text.ts";

/** Devices, with any ending (Microsoft, "Naming Files, Paths, and Namespaces"). */
const DEVICES =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])$/i;

/** What is wrong with the name of a file or folder on Windows; undefined where nothing is. */
export function windowsNameFault(name: string): string | undefined {
  const [stem = ""] = name.split(".");
  if (DEVICES.test(stem.trimEnd())) return "is the name of a device";
  if (/[. ]$/.test(name)) return "ends with a dot or a blank, which Windows leaves out";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const [sign] = /[<>:"|?*\\/\u0000-\u001f]/.exec(name) ?? [];
  return sign === undefined ? undefined : `has the character ${quoted(sign)}, which Windows does not allow`;
}

/**
 * Refuses a file that Windows would not write under this name.
 * @param name relative to the folder that it is made in, with "/" or "\" between folders
 * @throws IoError on Windows alone
 */
export function refuseWindowsName(
  name: string,
  path: string,
  platform: NodeJS.Platform = process.platform,
): void {
  if (platform !== "win32") return;
  for (const part of name.split(/[/\\]/)) {
    const fault = windowsNameFault(part);
    if (fault === undefined) continue;
    throw new IoError(`The name ${quoted(part)} ${fault}.`, { path, hint: "Choose another name." });
  }
}
