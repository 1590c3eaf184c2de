/**
 * Writes the API reference: one page a package with its README, one a public name. Every fault (an export without a text, a type
 * that is used but not exported, a link that leads nowhere) is an error.
 * Run by `pnpm run api-reference`, after `pnpm run docs` where the site is wanted, too.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Application,
  Converter,
  Logger,
  LogLevel,
  MinimalSourceFile,
  normalizePath,
  type ProjectReflection,
} from "typedoc";
import { z } from "zod";

const repository = "https://github.com/requant/requant/blob/main";
const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.unknown())])),
});

/** Types that users pass on as they are: what a run and its workers say to each other. */
const opaque: Readonly<Record<string, readonly string[]>> = {
  "@requant/convert": ["WorkerSetup", "Job", "Piece", "PieceResult", "PlainError"],
};

interface Door {
  /** As users import it: "@requant/core/view". */
  readonly specifier: string;
  /** The source of the module. */
  readonly file: string;
  /** The folder of the package, where this is its main module. */
  readonly folder: string | undefined;
}

/** The modules that users can import, by the `exports` of the packages. */
function doorsOf(root: string): readonly Door[] {
  return readdirSync(join(root, "packages")).flatMap((name) => {
    const folder = join(root, "packages", name);
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
    return Object.entries(manifest.exports).flatMap(([subpath, conditions]) => {
      const source = typeof conditions === "string" ? undefined : conditions["@requant/source"];
      if (typeof source !== "string") return [];
      const specifier = manifest.name + subpath.slice(1);
      return [{ specifier, file: resolve(folder, source), folder: subpath === "." ? folder : undefined }];
    });
  });
}

/** Keeps what typedoc says. */
class Faults extends Logger {
  readonly messages: string[] = [];

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.messages.push(message);
  }
}

/** Links of a README to files that have no page here lead to the repository. */
function withRepositoryLinks(text: string, file: string, root: string, folders: ReadonlySet<string>): string {
  return text.replace(/\]\((\.[^)#\s]*|[\w-][^):#\s]*)(#[^)\s]*)?\)/g, (link, path: string, anchor = "") => {
    const target = resolve(dirname(file), path);
    const hasPage = folders.has(target) || /\.(svg|webp|png)$/.test(path);
    // a file that is missing stays as it is, and is a fault
    if (hasPage || !existsSync(target)) return link;
    return `](${repository}/${relative(root, target).replaceAll("\\", "/")}${anchor})`;
  });
}

/** Gives modules the names that users import, and the READMEs of their packages. */
function dress(app: Application, project: ProjectReflection, root: string, doors: readonly Door[]): void {
  const folders = new Set(doors.flatMap(({ folder }) => folder ?? []));
  const read = (file: string) => {
    const text = withRepositoryLinks(readFileSync(file, "utf8"), file, root, folders);
    const source = new MinimalSourceFile(text, normalizePath(file));
    return app.converter.parseRawComment(source, project.files).content;
  };
  for (const { specifier, file, folder } of doors) {
    const module = project.children?.find(
      ({ sources }) => resolve(root, sources?.[0]?.fullFileName ?? "") === file,
    );
    if (module === undefined) throw new Error(`typedoc made no module of ${file}.`);
    module.name = specifier;
    if (folder === undefined) continue;
    project.files.registerReflectionPath(normalizePath(folder), module);
    module.readme = read(join(folder, "README.md"));
  }
  project.readme = read(join(root, "README.md"));
}

/** All checks of typedoc. It looks for types that are not exported in one package at a time. */
function validate(app: Application, project: ProjectReflection, packages: readonly string[]): void {
  app.options.setValue("validation", {
    notExported: false,
    notDocumented: true,
    invalidLink: true,
    invalidPath: true,
  });
  app.validate(project);
  app.options.setValue("validation", {
    notExported: true,
    notDocumented: false,
    invalidLink: false,
    invalidPath: false,
  });
  for (const name of packages) {
    project.packageName = name;
    app.options.setValue("intentionallyNotExported", [...(opaque[name] ?? [])]);
    app.validate(project);
  }
}

/** Writes the reference into `out`. @returns what is wrong; nothing is written then */
export async function apiReference(root: string, out: string): Promise<readonly string[]> {
  const doors = doorsOf(root);
  const packages = [...new Set(doors.map(({ specifier }) => specifier.split("/", 2).join("/")))];
  const site = existsSync(join(dirname(out), "index.html"));
  const app = await Application.bootstrap({
    name: "Requant API",
    entryPoints: doors.map(({ file }) => file),
    tsconfig: join(root, "tsconfig.json"),
    skipErrorChecking: true, // `pnpm typecheck` looks for them
    basePath: root,
    readme: "none",
    disableGit: true,
    sourceLinkTemplate: `${repository}/{path}#L{line}`,
    excludeInternal: true,
    excludePrivate: true,
    // properties may go without a text: the names of most say all
    requiredToBeDocumented: [
      "Module",
      "Class",
      "Interface",
      "TypeAlias",
      "Enum",
      "Variable",
      "Function",
      "Method",
      "Accessor",
    ],
    packagesRequiringDocumentation: packages,
    excludeExternals: true,
    navigation: { includeFolders: false },
    navigationLinks: { ...(site ? { Docs: "../" } : {}), Repository: "https://github.com/requant/requant" },
  });
  const faults = new Faults();
  app.logger = faults;
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => dress(app, project, root, doors));
  const project = await app.convert();
  if (project === undefined) return [...faults.messages, "typedoc found nothing to write."];
  validate(app, project, packages);
  if (faults.messages.length === 0) await app.generateDocs(project, out);
  return faults.messages;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(import.meta.dirname, "..");
  const out = join(root, "docs/.vitepress/dist/api");
  const faults = await apiReference(root, out);
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0 ? `The API reference is in ${relative(root, out)}.` : `${faults.length} faults`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
}
