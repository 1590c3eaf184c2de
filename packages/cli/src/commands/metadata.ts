import { metadataEntries, metadataLines, specialTokenId } from "@requant/convert";
import { type Metadata, type MetadataValue, UsageError } from "@requant/core";
import { fileSource } from "@requant/core/node";
import { bounded, didYouMean } from "@requant/core/text";
import { readGguf } from "@requant/gguf";
import { readAssignments, setTwice } from "../assignments.ts";
import type { Context, Handler } from "../context.ts";
import { changeMetadata, type EditOptions } from "../edit-metadata.ts";
import { exitStatus } from "../exit.ts";
import { metadataActions, optionName, specialTokens } from "../metadata-options.ts";
import { showError } from "../render/error.ts";
import { table } from "../render/table.ts";
import { printableLines } from "../render/text.ts";
import { writeJson } from "../streams.ts";

/** What an action works with. */
interface Request {
  readonly file: string;
  readonly entries: readonly string[];
  readonly given: Readonly<Record<string, unknown>>;
  readonly context: Context;
}

interface Action {
  readonly run: (request: Request) => Promise<number>;
  /** Options that it takes besides those of all commands. */
  readonly options: readonly string[];
}

const editOptions = ["dryRun", "force"];
const tokenOptions = specialTokens.map(([option]) => optionName(option));

const actions: Readonly<Record<(typeof metadataActions)[number], Action>> = {
  list: { run: list, options: [] },
  get: { run: get, options: [] },
  set: { run: set, options: [...editOptions, ...tokenOptions] },
  unset: { run: unset, options: editOptions },
};

/** Options that only some actions take, by the names that commander gives them, as they are typed. */
const flags: readonly (readonly [name: string, flag: string])[] = [
  ["dryRun", "--dry-run"],
  ["force", "--force"],
  ...specialTokens.map(([option]) => [optionName(option), `--${option}`] as const),
];

export const metadata: Handler = async ([word = "", file = "", ...entries], given, context) => {
  const known = metadataActions.find((name) => name === word);
  if (known === undefined) {
    throw new UsageError(`Metadata ${word}: there is no such action.${didYouMean(word, metadataActions)}`, {
      hint: `Use one of ${metadataActions.join(", ")}.`,
    });
  }
  const action = actions[known];
  for (const [name, flag] of flags) {
    if (given[name] === undefined || action.options.includes(name)) continue;
    const others = metadataActions.filter((other) => actions[other].options.includes(name));
    throw new UsageError(`Metadata ${word} does not take ${flag}.`, {
      hint: `It goes with metadata ${others.join(" and ")}.`,
    });
  }
  return action.run({ file, entries, given, context });
};

async function list({ file, entries, context: { streams, options } }: Request): Promise<number> {
  const [first] = entries;
  if (first !== undefined) {
    throw new UsageError(`Metadata list takes no keys, found ${bounded(first)}.`, {
      hint: "Use metadata get for single keys.",
    });
  }
  const metadata = await readMetadata(file);
  if (options.json) writeJson(streams, metadataEntries(metadata));
  else {
    const rows = metadataLines(metadata).map(({ key, type, value }) => [key, type, bounded(value, 100)]);
    streams.out.write(`${table([{ title: "key" }, { title: "type" }, { title: "value" }], rows)}\n`);
  }
  return exitStatus.done;
}

async function get({ file, entries: keys, context: { streams, options } }: Request): Promise<number> {
  if (keys.length === 0) throw new UsageError("Metadata get needs at least one key.");
  const all = await readMetadata(file);
  const found = keys.flatMap((key): [string, MetadataValue][] => {
    const value = all.get(key);
    return value === undefined ? [] : [[key, value]];
  });
  const asked = new Map(found);
  const whole = Number.POSITIVE_INFINITY;
  if (options.json) writeJson(streams, metadataEntries(asked, { longestArray: whole }));
  else {
    for (const { value } of metadataLines(asked, whole)) streams.out.write(`${printableLines(value)}\n`);
  }
  const missing = keys.filter((key) => !all.has(key));
  if (missing.length === 0) return exitStatus.done;
  showError(streams, options.json === true, {
    code: "NOT_FOUND",
    message: `The file has no key ${missing.map((key) => bounded(key)).join(", ")}.${didYouMean(missing[0] ?? "", [...all.keys()])}`,
    hint: "Use metadata list to see all keys.",
    path: file,
  });
  return exitStatus.different;
}

async function readMetadata(file: string): Promise<Metadata> {
  const source = await fileSource(file);
  try {
    return (await readGguf(source)).metadata;
  } finally {
    await source.close();
  }
}

function set({ file, entries, given, context }: Request): Promise<number> {
  const tokens = specialTokens.flatMap(([option, key]): [string, string][] => {
    const text = given[optionName(option)];
    return typeof text === "string" ? [[key, text]] : [];
  });
  if (entries.length === 0 && tokens.length === 0) {
    throw new UsageError("Metadata set needs KEY=VALUE, KEY=TYPE:VALUE or a special token.", {
      hint: "For example general.name=My-Model, or --eos '<|im_end|>'.",
    });
  }
  const changeOf = async (metadata: Metadata): Promise<{ set: Map<string, MetadataValue> }> => {
    const values = await readAssignments(entries, metadata);
    // ids are of the vocabulary as it will be
    const changed = new Map([...metadata, ...values]);
    for (const [key, text] of tokens) {
      if (values.has(key)) throw setTwice(key);
      values.set(key, specialTokenId(changed, key, text));
    }
    return { set: values };
  };
  return changeMetadata(file, changeOf, editOptionsOf(given), context);
}

function unset({ file, entries: keys, given, context }: Request): Promise<number> {
  if (keys.length === 0) throw new UsageError("Metadata unset needs at least one key.");
  return changeMetadata(file, () => ({ unset: keys }), editOptionsOf(given), context);
}

function editOptionsOf(given: Readonly<Record<string, unknown>>): EditOptions {
  return { dryRun: given["dryRun"] === true, force: given["force"] === true };
}
