/** Processes that make parts: `requant run PLAN --part -`, which stay open from part to part. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import {
  ConversionError,
  FormatError,
  IoError,
  LimitError,
  UnsupportedError,
  UsageError,
} from "@requant/core";
import type { FleetPart } from "@requant/fleet";
import * as z from "zod";

const answerSchema = z.object({ byteLength: z.number(), seconds: z.number() });
const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

/** What a part's process answers. */
type Answer = z.infer<typeof answerSchema>;

const classes: Readonly<Record<string, typeof IoError>> = {
  FORMAT: FormatError,
  LIMIT: LimitError,
  UNSUPPORTED: UnsupportedError,
  CONVERSION: ConversionError,
  USAGE: UsageError,
};

/** How many lines of a process that ended are told. */
const TOLD_LENGTH = 2000;

class PartProcess {
  readonly plan: string;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly lines: AsyncIterator<string>;
  private readonly closed: Promise<unknown>;
  private told = "";

  constructor({ plan, address }: FleetPart, jobs: number) {
    this.plan = plan;
    const { REDIS_URL: _, ...env } = process.env;
    const [program, script = ""] = process.argv;
    // the standalone executable is its own script
    const own = [...process.execArgv, ...(script === program ? [] : [script])];
    const args = [
      "run",
      address,
      "--part",
      "-",
      "--id",
      plan,
      "--jobs",
      String(jobs),
      "--quiet",
      "--json",
      "--no-config",
    ];
    this.child = spawn(process.execPath, [...own, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env,
      // Ctrl-C ends this process only, which lets the running parts end
      detached: true,
    });
    this.child.stderr.on("data", (data: Buffer) => {
      this.told = (this.told + data.toString()).slice(-TOLD_LENGTH);
    });
    // a process that has ended is noticed when no line comes
    this.child.stdin.on("error", () => {});
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.closed = new Promise((resolve) => {
      this.child.once("close", resolve);
      this.child.once("error", (error) => {
        this.told += error.message;
        resolve(undefined);
      });
    });
  }

  /** @throws CodecError as the process tells it; IoError where it ends */
  async make({ part, count }: FleetPart): Promise<Answer> {
    this.child.stdin.write(`${part}/${count}\n`);
    const { value, done } = await this.lines.next();
    if (done === true) {
      await this.closed;
      throw endedError(this.told);
    }
    const line: unknown = JSON.parse(value);
    const answer = answerSchema.safeParse(line);
    if (answer.success) return answer.data;
    throw errorOf(line);
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    await this.closed;
  }
}

/** What a process that could not open the plan has told, or that it was ended. */
function endedError(told: string): Error {
  const last = told.trim().split("\n").at(-1) ?? "";
  if (last.startsWith("{")) {
    try {
      return errorOf(JSON.parse(last));
    } catch {
      // not a document of ours
    }
  }
  return new IoError(`The process that makes the part ended${last === "" ? "" : `: ${last}`}.`, {
    hint: "If memory is short, give --memory, or fewer --jobs.",
  });
}

function errorOf(document: unknown): Error {
  const parsed = errorSchema.safeParse(document);
  if (!parsed.success) return new IoError("The process that makes the part answered with something unknown.");
  const { code, message, hint } = parsed.data.error;
  return new (classes[code] ?? IoError)(message, { hint });
}

/** Several such processes. One that is idle takes the next part, if it is of the same plan. */
export class PartProcesses {
  private readonly jobs: number;
  private idle: PartProcess[] = [];

  /** @param jobs threads of each process */
  constructor(jobs: number) {
    this.jobs = jobs;
  }

  /** Makes a part in a process of its own. The caller limits how many at the same time. */
  async make(part: FleetPart): Promise<Answer> {
    const own = await this.take(part);
    let isAlive = false;
    try {
      const answer = await own.make(part);
      isAlive = true;
      return answer;
    } finally {
      // after a failure a new process is the safer start
      if (isAlive) this.idle.push(own);
      else await own.close();
    }
  }

  async close(): Promise<void> {
    for (const own of this.idle.splice(0)) await own.close();
  }

  private async take(part: FleetPart): Promise<PartProcess> {
    const index = this.idle.findIndex(({ plan }) => plan === part.plan);
    const [own] = index < 0 ? [] : this.idle.splice(index, 1);
    if (own !== undefined) return own;
    await this.idle.pop()?.close();
    return new PartProcess(part, this.jobs);
  }
}
