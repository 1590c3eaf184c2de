/** Runs every command on a hostile model and holds what happens against the rules for all of them. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type AbuseCase, modelPath } from "../../../../fixtures/abuse-cases.ts";
import { type ChildResult, runBuilt } from "./child.ts";

export const commands = ["inspect", "verify", "convert", "doctor"] as const;
export type CommandName = (typeof commands)[number];

export type Outcome = "accept" | "accept-with-warning" | "refuse" | "crash";

export interface Observation {
  readonly command: CommandName;
  readonly outcome: Outcome;
  /** Of the error document. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly result: ChildResult;
  /** Rules that were broken, in words. */
  readonly faults: readonly string[];
}

/** One line of JSON and nothing else. */
const errorSchema = z.object({
  error: z.object({
    code: z.enum(["FORMAT", "LIMIT", "UNSUPPORTED", "IO", "CONVERSION", "USAGE"]),
    message: z.string().min(1),
    hint: z.string().optional(),
    path: z.string().optional(),
    tensor: z.string().optional(),
    offset: z.number().optional(),
  }),
});

/** A status each code must come with. */
const statusOfCode: Readonly<Record<string, number>> = {
  FORMAT: 3,
  LIMIT: 3,
  UNSUPPORTED: 3,
  IO: 4,
  CONVERSION: 5,
  USAGE: 2,
};

/** Only a line end may steer a terminal. Bidirectional marks turn names around, so they count too. */
export const RAW_CONTROL: RegExp =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;

/** A wall clock on a busy machine says little: processor time is held against the limit, and this kills a hang. */
const WALL_FACTOR = 6;

/** The command's arguments; `verify` compares the model with itself, which reads all of its data. */
function argumentsOf(
  command: CommandName,
  model: string,
  output: string,
  abuse: AbuseCase,
  set: string,
): string[] {
  switch (command) {
    case "inspect":
      return ["inspect", model, "--tensors", "--metadata"];
    case "verify":
      return ["verify", model, model];
    case "doctor":
      return ["doctor", model];
    case "convert": {
      const { convert_to = abuse.category.startsWith("gguf") ? "q8_0" : "f16", imatrix } = abuse.args;
      return [
        "convert",
        model,
        output,
        "--to",
        `gguf:${convert_to}`,
        ...(imatrix === undefined ? [] : ["--imatrix", join(set, imatrix)]),
      ];
    }
  }
}

/** Names below a folder. */
function treeOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

export async function observe(
  set: string,
  abuse: AbuseCase,
  command: CommandName,
  json: boolean,
): Promise<Observation> {
  const scratch = mkdtempSync(join(tmpdir(), "requant-abuse-"));
  try {
    const model = modelPath(set, scratch, abuse);
    const home = join(scratch, "home");
    mkdirSync(home);
    const output = join(home, "made.gguf");
    const { max_seconds, max_rss_mb } = abuse.limits;
    const args = argumentsOf(command, model, output, abuse, set);
    const result = await runBuilt(json ? [...args, "--json"] : args, {
      cwd: home,
      killAfter: max_seconds * WALL_FACTOR,
    });
    const faults: string[] = [];
    const { status, signal, out, err, usage } = result;
    if (signal !== undefined) faults.push(`ended by ${signal}`);
    if (usage === undefined) faults.push("died without telling what it used");
    else {
      if (usage.cpuSeconds > max_seconds) faults.push(`took ${usage.cpuSeconds} s of processor time`);
      if (usage.rssMegabytes > max_rss_mb) faults.push(`took ${usage.rssMegabytes} MB of memory`);
    }
    if (/^\s+at .*[:(]\d+/m.test(err)) faults.push("a stack trace");
    if (RAW_CONTROL.test(out) || RAW_CONTROL.test(err)) faults.push("a raw control character");
    const made = treeOf(home);
    const problem = command === "doctor" || command === "verify" ? [0, 1] : [0];
    const accepted = status !== undefined && problem.includes(status);
    const left = command === "convert" && accepted ? made.filter((name) => name !== "made.gguf") : made;
    if (left.length > 0) faults.push(`left ${left.join(", ")}`);
    if (command === "convert" && accepted && !made.includes("made.gguf")) faults.push("made no output");
    let code: string | undefined;
    let message: string | undefined;
    if (!accepted) {
      if (json) {
        const parsed = parseError(err);
        if (parsed === undefined) faults.push(`no error document: ${JSON.stringify(err.slice(0, 200))}`);
        else if (statusOfCode[parsed.code] !== status) faults.push(`status ${status} with ${parsed.code}`);
        ({ code, message } = parsed ?? { code: undefined, message: undefined });
      } else {
        message = err.split("\n")[0];
        if (!err.startsWith("requant: ") || err.split("\n").length > 4)
          faults.push(`no one clear error: ${err}`);
      }
      if (out !== "") faults.push("wrote to stdout before it failed");
    } else if (json) JSON.parse(out);
    const warned = accepted && (json ? hasWarnings(out) : /^warning: /m.test(err));
    const outcome: Outcome = accepted
      ? warned || status === 1
        ? "accept-with-warning"
        : "accept"
      : status !== undefined && status >= 2 && status <= 5
        ? "refuse"
        : "crash";
    if (outcome === "crash") faults.push(`status ${status}`);
    return { command, outcome, code, message, result, faults };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function parseError(err: string): z.infer<typeof errorSchema>["error"] | undefined {
  if (err.trimEnd().includes("\n")) return undefined;
  try {
    return errorSchema.parse(JSON.parse(err)).error;
  } catch {
    return undefined;
  }
}

function hasWarnings(out: string): boolean {
  const document = z.object({ warnings: z.array(z.unknown()).optional() }).safeParse(JSON.parse(out));
  return document.success && (document.data.warnings ?? []).length > 0;
}

/** What is wrong with an observation, given what the case wants of it. */
export function judge(abuse: AbuseCase, { command, outcome, code, faults }: Observation): string[] {
  const wrong = [...faults];
  // the doctor reports what the others refuse
  if (command === "doctor") return wrong;
  const stages = ["inspect", "verify", "convert"];
  const wanted: readonly string[] = [abuse.expect, ...abuse.tolerated];
  const position = stages.indexOf(command) - stages.indexOf(abuse.stage);
  // before its stage any clean outcome is fine; after it, what must be refused stays refused, and what is readable need not be convertible
  if (position < 0 || (position > 0 && wanted.some((outcome) => outcome !== "refuse"))) return wrong;
  if (!wanted.includes(outcome)) wrong.push(`${outcome} (${code}) instead of ${wanted.join(" or ")}`);
  else if (outcome === "refuse" && code !== undefined && abuse.expect === "refuse") {
    const classes = [abuse.error_class, ...abuse.also_ok_class];
    if (!classes.includes(code)) wrong.push(`${code} instead of ${classes.join(" or ")}`);
  }
  return wrong;
}
