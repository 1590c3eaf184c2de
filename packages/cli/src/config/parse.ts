/** What a file of defaults says, checked. */
import { UsageError } from "@requant/core";
import { bounded, didYouMean, quoted } from "@requant/core/text";
import { type Command, InvalidArgumentError, type Option } from "commander";
import * as z from "zod";
import { collect } from "../option-values.ts";
import type { Owner } from "./places.ts";
import type { ConfigText } from "./read.ts";
import { isNameOfSecret, whyRefused } from "./rules.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const value = z.union([scalar, z.array(z.union([z.string(), z.number()]))]);
const configSchema = z.record(z.string(), z.union([value, z.record(z.string(), value)]));

type Value = z.infer<typeof value>;

/** Keys of a file that are no options. */
const OTHER_KEYS: readonly string[] = ["$schema", "updateNotice"];

/** One default of one command. */
export interface Default {
  readonly option: Option;
  /** As commander would have parsed it. */
  readonly value: unknown;
  /** As the file has it. */
  readonly written: Value;
  readonly path: string;
}

export interface Config {
  /** Those of the folder's file replace those of the user's. */
  readonly defaults: readonly Default[];
  readonly updateNotice: boolean;
}

/** The defaults of one command, from all files. @throws UsageError that names file, key and what is allowed */
export function parseConfig(
  texts: readonly ConfigText[],
  command: Command,
  commands: readonly Command[],
): Config {
  const found = new Map<string, Default>();
  let updateNotice = false;
  for (const { path, owner, text } of texts) {
    const reader = new FileReader(path, owner, commands);
    const entries = reader.entries(text);
    for (const [key, each] of entries) {
      if (typeof each === "object" && !Array.isArray(each)) continue;
      if (key === "updateNotice") updateNotice = reader.updateNotice(each);
      if (OTHER_KEYS.includes(key)) continue;
      const any = reader.checkGlobal(key);
      const option = optionOf(command, key);
      // a wrong value is refused by every command
      const own = reader.defaultOf(key, option ?? any, each);
      if (option !== undefined) found.set(key, own);
    }
    // what stands under the command's name is nearer to it
    for (const [name, section] of entries) {
      if (typeof section !== "object" || Array.isArray(section)) continue;
      const named = reader.commandOf(name);
      for (const [key, each] of Object.entries(section)) {
        const own = reader.defaultOf(`${name}.${key}`, reader.checkOwn(named, name, key), each);
        if (named === command) found.set(key, own);
      }
    }
  }
  return { defaults: [...found.values()], updateNotice };
}

/** The option of a key: "shard-size" is `--shard-size`, "verify" is `--no-verify`. */
function optionOf(command: Command, key: string): Option | undefined {
  return command.options.find((option) => keyOf(option) === key);
}

function keyOf({ long, negate }: Option): string {
  const name = (long ?? "").slice(2);
  return negate ? name.slice("no-".length) : name;
}

/** One file, for its refusals. */
class FileReader {
  private readonly path: string;
  private readonly owner: Owner;
  private readonly commands: readonly Command[];

  constructor(path: string, owner: Owner, commands: readonly Command[]) {
    this.path = path;
    this.owner = owner;
    this.commands = commands;
  }

  entries(text: string): [string, z.infer<typeof configSchema>[string]][] {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw this.refusal("The file of defaults is no JSON.", "Mend it, or give --no-config.");
    }
    const parsed = configSchema.safeParse(json);
    if (parsed.success) return Object.entries(parsed.data);
    const [issue] = parsed.error.issues;
    const place = issue?.path.map(String).join(".") ?? "";
    throw this.refusal(
      place === ""
        ? "The file of defaults is no JSON object."
        : `The value of ${quoted(place)} is not a text, a number, true, false or a list of texts.`,
      "See requant help config.",
    );
  }

  updateNotice(each: Value): boolean {
    if (this.owner === "project") {
      throw this.refusal(
        'The key "updateNotice" may stand in the user\'s file only.',
        "Move it there: requant help config.",
      );
    }
    if (typeof each === "boolean") return each;
    throw this.refusal('The value of "updateNotice" is neither true nor false.', "Give true or false.");
  }

  commandOf(name: string): Command {
    const found = this.commands.find((each) => each.name() === name);
    if (found !== undefined) return found;
    throw this.unknown(name, [...this.commands.map((each) => each.name()), ...this.allowedGlobal()]);
  }

  /** @throws UsageError for a key that is no option of any command */
  checkGlobal(key: string): Option {
    const [option] = this.commands.flatMap((each) => optionOf(each, key) ?? []);
    if (option === undefined) throw this.unknown(key, this.allowedGlobal());
    this.refuse(key, key);
    return option;
  }

  checkOwn(command: Command, name: string, key: string): Option {
    const option = optionOf(command, key);
    if (option === undefined) throw this.unknown(key, this.allowedOf(command), ` in "${name}"`);
    this.refuse(key, `${name}.${key}`);
    return option;
  }

  defaultOf(key: string, option: Option, written: Value): Default {
    return { option, value: this.valueOf(key, option, written), written, path: this.path };
  }

  private valueOf(key: string, option: Option, written: Value): unknown {
    if (!option.required && !option.optional) {
      if (typeof written === "boolean") return written;
      throw this.refusal(`The value of ${quoted(key)} is ${quoted(written)}.`, "Give true or false.");
    }
    if (option.parseArg === collect) {
      return (Array.isArray(written) ? written : [written]).map(String);
    }
    if (Array.isArray(written) || typeof written === "boolean") {
      throw this.refusal(
        `The value of ${quoted(key)} is ${quoted(written)}.`,
        `It is ${option.description}.`,
      );
    }
    const text = String(written);
    if (URL.canParse(text) && new URL(text).password !== "") {
      throw this.refusal(
        `The value of ${quoted(key)} has a password, which does not belong in this file.`,
        "Put the address into the environment.",
      );
    }
    if (option.parseArg === undefined) return text;
    try {
      return option.parseArg(text, undefined);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw this.refusal(`The value of ${quoted(key)} is ${quoted(written)}.`, error.message);
    }
  }

  private refuse(option: string, key: string): void {
    const refused = whyRefused(option, this.owner);
    if (refused === undefined) return;
    throw this.refusal(`The key ${quoted(key)} ${refused.why}.`, refused.hint);
  }

  private unknown(key: string, allowed: readonly string[], place = ""): UsageError {
    if (isNameOfSecret(key)) {
      return this.refusal(
        `The key ${quoted(key)} is the name of a secret, which does not belong in this file.`,
        "Use the environment: HF_TOKEN, AWS_SECRET_ACCESS_KEY, REDIS_URL.",
      );
    }
    return this.refusal(
      `There is no key ${quoted(key)}${place}.${didYouMean(key, allowed)}`,
      `The keys are ${[...allowed].sort().join(", ")}.`,
    );
  }

  private allowedGlobal(): string[] {
    return [...new Set(this.commands.flatMap((each) => this.allowedOf(each)))];
  }

  private allowedOf(command: Command): string[] {
    const keys = new Set(command.options.map(keyOf));
    return [...keys].filter((key) => whyRefused(key, this.owner) === undefined);
  }

  private refusal(message: string, hint: string): UsageError {
    return new UsageError(message, { path: bounded(this.path, 500), hint });
  }
}
