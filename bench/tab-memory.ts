/** The memory of the tabs that this process has started, read from Linux's /proc. */
import { readdirSync, readFileSync } from "node:fs";

interface Process {
  readonly id: number;
  readonly parent: number;
  readonly commandLine: string;
}

function processes(): Process[] {
  return readdirSync("/proc").flatMap((name): Process[] => {
    const id = Number(name);
    if (!Number.isInteger(id)) return [];
    try {
      const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]);
      return [{ id, parent, commandLine: readFileSync(`/proc/${name}/cmdline`, "utf8") }];
    } catch {
      // it has ended meanwhile
      return [];
    }
  });
}

/** The largest tab's own memory: what is shared with other processes is counted by their number. */
export function largestTab(): number {
  const all = processes();
  const parents = new Map(all.map(({ id, parent }) => [id, parent]));
  const isOurs = (id: number): boolean => {
    for (let at: number | undefined = id; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === process.pid) return true;
    }
    return false;
  };
  const tabs = all.filter(({ id, commandLine }) => commandLine.includes("--type=renderer") && isOurs(id));
  return tabs.reduce((most, { id }) => Math.max(most, shareOf(id)), 0);
}

function shareOf(id: number): number {
  try {
    const [, kibibytes] = /^Pss:\s*(\d+) kB/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8")) ?? [];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Watches until `stop`, which gives the most that was seen. */
export function watchTabs(): { stop(): number } {
  let most = largestTab();
  const timer = setInterval(() => {
    most = Math.max(most, largestTab());
  }, 100);
  return {
    stop() {
      clearInterval(timer);
      return Math.max(most, largestTab());
    },
  };
}
