/** The licences of the code in a bundle, which must accompany every copy. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/**
 * `inputs`: the files of a bundle, of which the files under node_modules are third-party code. `withoutText`: packages
 * that name their licence in package.json only.
 */
export function licenceNotices(inputs: readonly string[], withoutText: readonly string[] = []): string {
  const folders = new Set(inputs.filter((file) => file.includes("node_modules/")).map(packageFolder));
  return [...folders]
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      if (file === undefined && !withoutText.includes(name))
        throw new Error(`${name} is bundled and has no licence file.`);
      const text =
        file === undefined
          ? "The package names this licence and contains no text of it."
          : readFileSync(join(folder, file), "utf8").trim();
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .sort()
    .join(`\n${"-".repeat(80)}\n\n`);
}

/**
 * The nearest folder whose package.json has a version: some packages contain inner package.json files that only set the
 * type.
 */
function packageFolder(file: string): string {
  for (let folder = dirname(resolve(file)); ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version !== undefined)
      return folder;
    if (folder === dirname(folder)) throw new Error(`${file} belongs to no package.`);
  }
}
