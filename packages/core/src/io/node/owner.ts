import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { randomHex, shortHash } from "./random-and-hash.ts";

/**
 * A process, described so that another process can recognise it later: the system reuses process ids, after a restart at
 * the latest.
 */
export interface Owner {
  readonly pid: number;
  /** Machine and process namespace: containers share a disk, but not their process ids. */
  readonly host: string;
  /** The start time of the process; empty where the system does not tell it. */
  readonly started: string;
}

let own: Promise<Owner> | undefined;

export function thisProcess(): Promise<Owner> {
  own ??= describeThisProcess();
  return own;
}

async function describeThisProcess(): Promise<Owner> {
  return { pid: process.pid, host: await hostName(), started: await startOf(process.pid) };
}

async function hostName(): Promise<string> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${hostname()}${namespace}`;
}

/** Boot and clock tick at which a process began (Linux); empty on other systems, and for a process that does not exist. */
async function startOf(pid: number): Promise<string> {
  try {
    const [boot, line] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ]);
    // the start time is field 22; field 2, in brackets, may contain anything
    const ticks = line.slice(line.lastIndexOf(")") + 2).split(" ")[19];
    return `${boot.trim()}:${ticks ?? ""}`;
  } catch {
    return "";
  }
}

/**
 * Whether a process has ended; undefined for a process of another machine, and where a process has the id and the system does
 * not tell when it began (Windows, macOS): it may be another one.
 */
export async function hasEnded(owner: Owner): Promise<boolean | undefined> {
  const { host } = await thisProcess();
  if (owner.host !== host) return undefined;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to another user
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
  }
  const started = await startOf(owner.pid);
  return started === "" || owner.started === "" ? undefined : started !== owner.started;
}

const TAG = /^([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})[0-9a-f]{8}$/;

/** 32 hex digits for a temporary name: unique, and naming the owner. */
export async function ownerTag(): Promise<string> {
  const { pid, host, started } = await thisProcess();
  return `${pid.toString(16).padStart(8, "0")}${short(host)}${short(started)}${randomHex(4)}`;
}

/** Whether the process that made the tag ran on this machine and has ended. */
export async function tagIsStale(tag: string): Promise<boolean> {
  const [, pid = "", host = "", started = ""] = TAG.exec(tag) ?? [];
  const here = await thisProcess();
  if (host !== short(here.host)) return false;
  const now = await startOf(Number.parseInt(pid, 16));
  // where start times are unknown, only the process id is compared
  const began = here.started === "" ? "" : started === short(now) ? now : "another";
  return (await hasEnded({ pid: Number.parseInt(pid, 16), host: here.host, started: began })) === true;
}

function short(text: string): string {
  return shortHash(text, 8);
}
