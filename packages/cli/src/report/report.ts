/** `requant doctor --report`: one file of facts to attach to an issue, which holds nothing private. */
import { availableParallelism, totalmem } from "node:os";
import {
  type DoctorReport,
  findingKinds,
  openModel,
  parseTargets,
  planConversions,
  planReport,
  plansByTarget,
} from "@requant/convert";
import type { Finding } from "@requant/core";
import { kernelsAreInstalled } from "@requant/core/kernels";
import type { Location } from "../location.ts";
import { VERSION } from "../version.ts";
import { type ErrorFacts, errorFacts } from "./error-facts.ts";
import { fileKind, harmlessValue, nameOf, patternOf } from "./harmless.ts";
import { headerFacts } from "./header-facts.ts";
import { personalWords, withoutWords } from "./personal-words.ts";

/** What a report is made of. */
export interface Reported {
  /** Without a model the report holds the versions alone. */
  readonly location?: Location | undefined;
  readonly findings?: DoctorReport | undefined;
  /** What went wrong in the examination itself. */
  readonly fault?: unknown;
  readonly target?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Arguments of the command line, which must not be in the report. */
  readonly given: readonly string[];
}

const ABOUT =
  "This file is for an issue report. Read it before you attach it. It has versions, names and shapes of tensors, names of metadata keys, values of known settings, and findings. It has no weights, no paths, no file names, no vocabulary, no chat template, no tokens and nothing of the environment.";

/** The whole report as indented JSON. */
export async function reportText({ given, ...reported }: Reported): Promise<string> {
  const report = {
    about: ABOUT,
    versions: versions(),
    ...(reported.location === undefined ? {} : await modelParts(reported.location, reported)),
  };
  const words = personalWords(given);
  const safe: unknown = JSON.parse(
    JSON.stringify(report, (_, value: unknown) =>
      typeof value === "string" ? withoutWords(value, words) : value,
    ),
  );
  return `${layout(safe, "")}\n`;
}

/** Longest line that holds a whole object. */
const LINE = 110;

/** JSON for people: what fits into a line stands on one. */
function layout(value: unknown, indent: string): string {
  const line = JSON.stringify(value);
  if (line.length <= LINE || typeof value !== "object" || value === null) return line;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Array.isArray(value)
    ? value.map((each) => layout(each, inner))
    : Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${layout(each, inner)}`);
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

function versions(): Record<string, unknown> {
  return {
    requant: VERSION,
    node: process.version,
    platform: process.platform,
    architecture: process.arch,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    simdKernels: kernelsAreInstalled(),
  };
}

async function modelParts(
  location: Location,
  { findings, fault, target, signal }: Omit<Reported, "given">,
): Promise<Record<string, unknown>> {
  const source = { store: location.store, file: location.file };
  const parts: Record<string, unknown> = {
    ...(findings === undefined ? {} : { findings: findings.findings.map(findingFacts) }),
    ...(fault === undefined ? {} : { doctor: { error: errorFacts(fault) } }),
  };
  try {
    const model = await openModel(source, { signal });
    try {
      const plan = target === undefined ? {} : { plan: await attempt(() => planFacts(model, target)) };
      return { model: headerFacts(model), ...parts, ...plan };
    } finally {
      await model.close();
    }
  } catch (error) {
    return { model: { error: errorFacts(error) }, ...parts };
  }
}

async function attempt<T>(act: () => Promise<T>): Promise<T | { error: ErrorFacts }> {
  try {
    return await act();
  } catch (error) {
    return { error: errorFacts(error) };
  }
}

/** A finding without its message, which quotes the file; its code says what was found. */
function findingFacts({ code, severity, path, tensor, key, offset }: Finding): Record<string, unknown> {
  return {
    code,
    severity,
    meaning: Object.hasOwn(findingKinds, code)
      ? findingKinds[code as keyof typeof findingKinds].meaning
      : undefined,
    file: path === undefined ? undefined : fileKind(path),
    tensor: tensor === undefined ? undefined : patternOf(tensor),
    key: key === undefined ? undefined : nameOf(key),
    offset,
  };
}

async function planFacts(
  model: Awaited<ReturnType<typeof openModel>>,
  target: string,
): Promise<Record<string, unknown>[]> {
  const plan = await planConversions(model, parseTargets(target), {});
  return plansByTarget(plan).map((own) => {
    const { fidelity, findings, byteLength, tensors } = planReport(own);
    const ways = new Map<string, { from: unknown; to: unknown; fidelity: string; count: number }>();
    for (const { from, to, fidelity: kept } of tensors) {
      const key = `${from} ${to} ${kept}`;
      const way = ways.get(key) ?? {
        from: harmlessValue(from),
        to: harmlessValue(to),
        fidelity: kept,
        count: 0,
      };
      way.count += 1;
      ways.set(key, way);
    }
    return {
      target: own.target.text,
      byteLength,
      files: own.files.length,
      fidelity,
      ways: [...ways.values()],
      findings: findings.map(findingFacts),
    };
  });
}
