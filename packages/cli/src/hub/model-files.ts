/** Which files of a repository, or of another folder of models, are the model that was asked for. */
import { IoError, UsageError } from "@requant/core";
import { type HubAddress, shownHubAddress } from "@requant/core/hub";
import { didYouMean, quoted } from "@requant/core/text";
import { type GgufChoice, ggufChoices, matchingGgufs, type NamedFile } from "@requant/gguf";

/** The folder to open, and the file in it, where one was named or chosen. */
export interface ModelFiles {
  readonly folder: string | undefined;
  readonly file: string | undefined;
}

/** A model, and the address that names it alone. */
export interface NamedChoice {
  readonly choice: GgufChoice;
  readonly address: string;
}

/** Chooses one of several models, or throws a UsageError that lists them. `place` is what holds them. */
export type Chooser = (choices: readonly NamedChoice[], place: string) => Promise<GgufChoice>;

/** Places of models that are written `SCHEME:owner/repo…` and have no commits. */
type Asked = Pick<HubAddress, "repository" | "path" | "quantization"> & Partial<HubAddress>;

const SAFETENSORS = /\.safetensors(?:\.index\.json)?$/i;
/** Names of a list in one line. */
const SHOWN = 40;

/**
 * Finds the model among the paths of all files.
 * @param shown writes an address of the same place as people write it
 * @throws UsageError where several models are meant or a quantization is not there, IoError for a path that is not there
 */
export async function modelFiles(
  asked: Asked,
  all: readonly NamedFile[],
  choose: Chooser,
  shown: (address: Asked) => string = shownHubAddress,
): Promise<ModelFiles> {
  const { path, quantization } = asked;
  const files = all.filter((file) => path === undefined || file.path.startsWith(`${path}/`));
  if (path !== undefined && files.length === 0) return namedFile(asked, path, all, shown);
  const isFolderOfFloats = files.some((file) => SAFETENSORS.test(belowFolder(file.path, path)));
  if (quantization === undefined && isFolderOfFloats) return { folder: path, file: undefined };
  const choices = ggufChoices(files);
  const matching = quantization === undefined ? choices : matchingGgufs(choices, quantization);
  const [only] = matching;
  if (matching.length === 1 && only !== undefined) return divided(only.file);
  if (choices.length === 0) {
    if (quantization === undefined) return { folder: path, file: undefined };
    throw new UsageError(`${shown(asked)}: there are no GGUF files.`, {
      hint: `A quantization picks one of several GGUF files. Write ${shown({ ...asked, quantization: undefined })}.`,
    });
  }
  if (matching.length === 0 && quantization !== undefined) {
    const known = choices.map((choice) => choice.quantization ?? choice.file);
    throw new UsageError(
      `${shown(asked)}: no GGUF file is called ${quoted(quantization)}.${didYouMean(quantization, known)}`,
      { hint: `There are ${[...new Set(known)].slice(0, SHOWN).join(", ")}.` },
    );
  }
  const named = matching.map((choice) => ({ choice, address: shown(addressOf(asked, choice, choices)) }));
  return divided((await choose(named, shown(asked))).file);
}

function namedFile(
  asked: Asked,
  path: string,
  all: readonly NamedFile[],
  shown: (address: Asked) => string,
): ModelFiles {
  if (all.some((file) => file.path === path)) return divided(path);
  const known = all.map((file) => file.path);
  throw new IoError(`${shown(asked)}: there is no such file or folder.${didYouMean(path, known)}`, {
    path,
    hint: `Check the name. The model is ${shown({ ...asked, path: undefined })}.`,
  });
}

/** By its quantization where no other model has the same, or else by its path. */
function addressOf(asked: Asked, choice: GgufChoice, all: readonly GgufChoice[]): Asked {
  const { quantization, file } = choice;
  const same = all.filter((each) => each.quantization === quantization);
  return quantization !== undefined && same.length === 1
    ? { ...asked, quantization }
    : { ...asked, quantization: undefined, path: file };
}

function divided(path: string): ModelFiles {
  const slash = path.lastIndexOf("/");
  return { folder: slash < 0 ? undefined : path.slice(0, slash), file: path.slice(slash + 1) };
}

/** The name of a file directly in the folder; empty for one further below. */
function belowFolder(path: string, folder: string | undefined): string {
  const name = folder === undefined ? path : path.slice(folder.length + 1);
  return name.includes("/") ? "" : name;
}
