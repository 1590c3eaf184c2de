/** Ledgers of slices: which file holds a slice, and its checksum. A line is a claim: the file is read before it is believed. */
import type { SharedLogs } from "@requant/core";
import * as z from "zod/mini";
import { checksumOfCopy } from "../../run/checksum-twin.ts";
import { sealed, sealedLines } from "../../run/outputs/sealed-lines.ts";
import type { OutputStore } from "../../run/outputs/store.ts";
import { countOfGroup } from "../../run/parts/ledger.ts";

/** Bytes that are summed at a time. */
const BLOCK_BYTE_LENGTH = 8 * 1024 * 1024;

const claimSchema = z.object({
  /** Counted from 0. */
  slice: z.int().check(z.nonnegative()),
  /** In the folder of the work. */
  file: z.string().check(z.regex(/^[0-9a-z.-]{1,80}$/)),
  byteLength: z.int().check(z.positive()),
  checksum: z.string(),
});

/** A slice that an attempt has made. */
export type SliceClaim = z.infer<typeof claimSchema>;

export function claimLine(claim: SliceClaim): Uint8Array {
  return sealed(JSON.stringify(claim));
}

/** All claims, by slice, and how many parts the plan was mostly run in. */
export async function readClaims(logs: SharedLogs): Promise<{
  readonly claims: ReadonlyMap<number, readonly SliceClaim[]>;
  readonly logsOf: ReadonlyMap<number, number>;
}> {
  const claims = new Map<number, SliceClaim[]>();
  const logsOf = new Map<number, number>();
  for await (const { group, bytes } of logs.allLogs()) {
    const count = countOfGroup(group);
    logsOf.set(count, (logsOf.get(count) ?? 0) + 1);
    for (const { text } of sealedLines(bytes)) {
      const parsed = claimSchema.safeParse(JSON.parse(text));
      if (!parsed.success) continue;
      const own = claims.get(parsed.data.slice) ?? [];
      own.push(parsed.data);
      claims.set(parsed.data.slice, own);
    }
  }
  for (const own of claims.values()) own.sort((a, b) => (a.file < b.file ? -1 : 1));
  return { claims, logsOf };
}

/** The length and the checksum of a file; undefined where it is not there. */
export async function measureFile(
  store: OutputStore,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Pick<SliceClaim, "byteLength" | "checksum"> | undefined> {
  const source = await store.open(path);
  if (source === undefined) return undefined;
  try {
    const sums: string[] = [];
    for (let start = 0; start < source.byteLength; start += BLOCK_BYTE_LENGTH) {
      signal?.throwIfAborted();
      const end = Math.min(source.byteLength, start + BLOCK_BYTE_LENGTH);
      sums.push(checksumOfCopy(await source.read(start, end)));
    }
    const checksum = checksumOfCopy(new TextEncoder().encode(sums.join(" ")));
    return { byteLength: source.byteLength, checksum };
  } finally {
    await source.close();
  }
}
