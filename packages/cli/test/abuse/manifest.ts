/** A set of hostile and broken model files, each with the outcome that it must get. */
import { copyFileSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

const peerSchema = z.object({ outcome: z.string(), detail: z.string().optional() });

const caseSchema = z.object({
  id: z.string(),
  /** What to give to a command, relative to the set. */
  arg: z.string(),
  category: z.string(),
  wrong: z.string(),
  reference: z.string(),
  expect: z.enum(["refuse", "accept", "accept-with-warning"]),
  /** Other outcomes that can be defended. */
  tolerated: z.array(z.string()).default([]),
  error_class: z.string().nullish(),
  also_ok_class: z.array(z.string()).default([]),
  /** The first command that must give the outcome. */
  stage: z.enum(["inspect", "verify", "convert"]),
  args: z.object({ convert_to: z.string().optional(), imatrix: z.string().optional() }).default({}),
  must: z.array(z.string()).default([]),
  must_not: z.array(z.string()).default([]),
  limits: z.object({ max_seconds: z.number(), max_rss_mb: z.number() }),
  /** A file too big to store: copy `base` to `name`, then extend it with NUL bytes. */
  recipe: z.object({ base: z.string(), name: z.string(), truncate_to: z.number() }).optional(),
  peers: z.record(z.string(), peerSchema).default({}),
});

export type AbuseCase = z.infer<typeof caseSchema>;

export function readCases(set: string): AbuseCase[] {
  return z
    .object({ cases: z.array(caseSchema) })
    .parse(JSON.parse(readFileSync(join(set, "manifest.json"), "utf8"))).cases;
}

/** The path of a case's model; one that is not stored is made below `scratch`. */
export function modelPath(set: string, scratch: string, { arg, recipe }: AbuseCase): string {
  if (recipe === undefined) return join(set, arg);
  const path = join(scratch, recipe.name);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(join(set, recipe.base), path);
  // sparse: the holes take no disk
  truncateSync(path, recipe.truncate_to);
  return path;
}
