import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { findNativeGgml } from "./native.ts";
import type { Machine } from "./results.ts";

/** The folder and version of the nearest package.json of that name. */
export function packageOf(name: string): { folder: string; version: string } | undefined {
  const entry = createRequire(import.meta.url).resolve(name);
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (manifest.name === name) return { folder, version: String(manifest.version) };
    } catch {
      // the next folder up
    }
  }
  return undefined;
}

function versionOf(name: string): string {
  return packageOf(name)?.version ?? "unknown";
}

/** A Python with gguf-py, and the version of gguf-py; undefined where there is none. */
export function findGgufPy(): { python: string; version: string } | undefined {
  for (const python of ["python3", "python"]) {
    try {
      const version = execFileSync(
        python,
        ["-c", "import gguf, importlib.metadata as m; print(m.version('gguf'))"],
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      );
      return { python, version: version.trim() };
    } catch {
      // not installed
    }
  }
  return undefined;
}

export function machineFacts(loadAtStart: number): Machine {
  const ggml = findNativeGgml();
  const ggufPy = findGgufPy();
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${platform()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    versions: {
      "@huggingface/gguf": versionOf("@huggingface/gguf"),
      "node-llama-cpp": versionOf("node-llama-cpp"),
      ...(ggml === undefined ? {} : { ggml: ggml.version }),
      ...(ggufPy === undefined ? {} : { "gguf (Python)": ggufPy.version }),
    },
    load: [loadAtStart, loadavg()[0] ?? 0],
  };
}
