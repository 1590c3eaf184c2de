/** Causal attention, block by block of queries and keys, with a running softmax (Dao et al., FlashAttention, 2022). */
import { multiplyBlock } from "./block";
import { exponential } from "./exp";
import { LEFT, RIGHT } from "./multiply";
import { packColumns, packRows } from "./pack";

/** Queries of a tile. */
const QUERIES: i32 = 64;

/** Keys that are looked at together. */
const KEYS: i32 = 128;

/** Numbers of a head at most. */
const HEAD: i32 = 512;

/** Below all scores, and finite: differences of it are. */
const LOWEST: f32 = -3e38;

/** A score that gets no share. */
const MASKED: f32 = -Infinity;

/**
 * One window: queries and out are [tokens, heads, headLength], keys and values [tokens, keyHeads, headLength]. The fields of
 * this class are those of `placeAttention` in src/compute/tasks.ts, in the same order.
 */
@unmanaged
class AttentionTask {
  /** i32: the next tile. */
  counter: usize;
  queries: usize;
  keys: usize;
  values: usize;
  out: usize;
  tokens: i32;
  heads: i32;
  keyHeads: i32;
  headLength: i32;
  /** Bits of an f32: what scores are multiplied with. */
  scaleBits: u32;
  /** Bits of an f32: scores are bounded to ± cap by tanh; 0 for no bound. */
  capBits: u32;
  /** A token sees itself and the tokens before it, at most so many; 0 for all. */
  reach: i32;
}

// places in a thread's scratch
const QUERY_PANELS: usize = 0;
const KEY_PANELS: usize = QUERY_PANELS + 4 * QUERIES * HEAD;
const VALUE_PANELS: usize = KEY_PANELS + 4 * KEYS * HEAD;
const SCORES: usize = VALUE_PANELS + 4 * KEYS * HEAD;
const SHARE_PANELS: usize = SCORES + 4 * QUERIES * KEYS;
const MIXED: usize = SHARE_PANELS + 4 * QUERIES * KEYS;
const LARGEST: usize = MIXED + 4 * QUERIES * HEAD;
const SUMS: usize = LARGEST + 4 * QUERIES;
const EDGE: usize = SUMS + 4 * QUERIES;

/** Bytes of scratch that attention needs. */
export const ATTENTION_SCRATCH: i32 = <i32>EDGE + 128;

/** Makes tiles of attention until none is left: the later queries, which see more keys, first. */
export function attention(task: AttentionTask, scratch: usize): void {
  const counter = task.counter;
  const heads = task.heads;
  const blocks = (task.tokens + QUERIES - 1) / QUERIES;
  for (let tile = atomic.add<i32>(counter, 1); tile < heads * blocks; tile = atomic.add<i32>(counter, 1)) {
    attentionTile(task, scratch, tile % heads, (blocks - 1 - tile / heads) * QUERIES);
  }
}

function attentionTile(task: AttentionTask, scratch: usize, head: i32, start: i32): void {
  const length = task.headLength;
  const rows = min(QUERIES, task.tokens - start);
  const stride = 4 * <usize>(task.heads * length);
  const keyStride = 4 * <usize>(task.keyHeads * length);
  const keyHead = 4 * <usize>((head / (task.heads / task.keyHeads)) * length);
  const queries = task.queries + stride * <usize>start + 4 * <usize>(head * length);
  packRows(queries, stride, rows, LEFT, length, scratch + QUERY_PANELS);
  memory.fill(scratch + MIXED, 0, 4 * <usize>(QUERIES * length));
  for (let row: usize = 0; row < 4 * QUERIES; row += 4) {
    store<f32>(scratch + LARGEST + row, LOWEST);
    store<f32>(scratch + SUMS + row, 0);
  }
  const reach = task.reach;
  const end = start + rows;
  const first = reach > 0 ? max(0, start - reach + 1) : 0;
  for (let key = first; key < end; key += KEYS) {
    const count = min(KEYS, end - key);
    const place = keyStride * <usize>key + keyHead;
    packRows(task.keys + place, keyStride, count, RIGHT, length, scratch + KEY_PANELS);
    packColumns(task.values + place, keyStride, length, RIGHT, count, scratch + VALUE_PANELS);
    multiplyBlock(
      scratch + QUERY_PANELS,
      scratch + KEY_PANELS,
      length,
      rows,
      count,
      scratch + SCORES,
      4 * KEYS,
      false,
      scratch + EDGE,
    );
    for (let row = 0; row < rows; row++) {
      const query = start + row;
      const from = reach > 0 ? max(0, query - reach + 1 - key) : 0;
      shareRow(task, scratch, row, min(from, KEYS), max(0, min(count, query + 1 - key)));
    }
    packRows(scratch + SCORES, 4 * KEYS, rows, LEFT, count, scratch + SHARE_PANELS);
    multiplyBlock(
      scratch + SHARE_PANELS,
      scratch + VALUE_PANELS,
      count,
      rows,
      length,
      scratch + MIXED,
      4 * <usize>length,
      true,
      scratch + EDGE,
    );
  }
  let out = task.out + stride * <usize>start + 4 * <usize>(head * length);
  let mixed = scratch + MIXED;
  for (let row = 0; row < rows; row++, out += stride, mixed += 4 * <usize>length) {
    scaleRow(mixed, length, 1 / load<f32>(scratch + SUMS + 4 * <usize>row), out);
  }
}

/** Scores of one query and the keys `from` to `end` of a block to shares of the softmax so far; shares of other keys are 0. */
function shareRow(task: AttentionTask, scratch: usize, row: i32, from: i32, end: i32): void {
  const scores = scratch + SCORES + 4 * KEYS * <usize>row;
  const rowEnd = scores + 4 * KEYS;
  const scale = f32x4.splat(reinterpret<f32>(task.scaleBits));
  const cap = reinterpret<f32>(task.capBits);
  let largest4 = f32x4.splat(LOWEST);
  for (let at = scores; at < rowEnd; at += 16) {
    let score = f32x4.mul(v128.load(at), scale);
    if (cap > 0) score = capped(score, cap);
    v128.store(at, score);
  }
  for (let at: usize = 0; at < 4 * <usize>from; at += 4) store<f32>(scores + at, MASKED);
  for (let at = 4 * <usize>max(from, end); at < 4 * KEYS; at += 4) store<f32>(scores + at, MASKED);
  for (let at = scores; at < rowEnd; at += 16) largest4 = f32x4.pmax(largest4, v128.load(at));
  const before = load<f32>(scratch + LARGEST + 4 * <usize>row);
  const largest = max(
    before,
    max(
      max(f32x4.extract_lane(largest4, 0), f32x4.extract_lane(largest4, 1)),
      max(f32x4.extract_lane(largest4, 2), f32x4.extract_lane(largest4, 3)),
    ),
  );
  const shift = f32x4.splat(largest);
  let sum4 = f32x4.splat(0);
  for (let at = scores; at < rowEnd; at += 16) {
    const share = exponential(f32x4.sub(v128.load(at), shift));
    v128.store(at, share);
    sum4 = f32x4.add(sum4, share);
  }
  const sum =
    f32x4.extract_lane(sum4, 0) + f32x4.extract_lane(sum4, 1) + (f32x4.extract_lane(sum4, 2) + f32x4.extract_lane(sum4, 3));
  const sums = scratch + SUMS + 4 * <usize>row;
  if (largest > before) {
    const factor = f32x4.extract_lane(exponential(f32x4.splat(before - largest)), 0);
    store<f32>(sums, load<f32>(sums) * factor);
    const mixed = scratch + MIXED + 4 * <usize>(row * task.headLength);
    scaleRow(mixed, task.headLength, factor, mixed);
    store<f32>(scratch + LARGEST + 4 * <usize>row, largest);
  }
  store<f32>(sums, load<f32>(sums) + sum);
}

/** cap × tanh(score / cap) */
// @ts-ignore: decorator
@inline
function capped(score: v128, cap: f32): v128 {
  const one = f32x4.splat(1);
  const twice = exponential(f32x4.mul(score, f32x4.splat(2 / cap)));
  return f32x4.mul(f32x4.splat(cap), f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(twice, one))));
}

function scaleRow(from: usize, count: i32, factor: f32, to: usize): void {
  const factor4 = f32x4.splat(factor);
  const end = from + 4 * <usize>count;
  for (const vectorEnd = from + 4 * <usize>(count & ~3); from < vectorEnd; from += 16, to += 16) {
    v128.store(to, f32x4.mul(v128.load(from), factor4));
  }
  for (; from < end; from += 4, to += 4) store<f32>(to, load<f32>(from) * factor);
}
