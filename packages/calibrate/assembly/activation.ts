/** The functions between the matrices of a feed-forward. Twin of src/decoder/activation.ts. */
import { exponential } from "./exp";

/** Numbers of a tile. */
const TILE: i32 = 8192;

/**
 * values = f(values), or f(gate) × values. The fields of this class are those of `placeActivation` in src/compute/tasks.ts, in
 * the same order.
 */
@unmanaged
class ActivationTask {
  /** i32: the next tile. */
  counter: usize;
  /** 0 where there is none. */
  gate: usize;
  values: usize;
  /** A multiple of four. */
  count: i32;
  /** 0 for SiLU, 1 for GELU by tanh. */
  kind: i32;
}

/** Applies the function to tiles until none is left. */
export function activation(task: ActivationTask, scratch: usize): void {
  const counter = task.counter;
  const count = task.count;
  const tiles = (count + TILE - 1) / TILE;
  for (let tile = atomic.add<i32>(counter, 1); tile < tiles; tile = atomic.add<i32>(counter, 1)) {
    const start = 4 * <usize>(tile * TILE);
    const end = 4 * <usize>min(count, (tile + 1) * TILE);
    const gate = task.gate;
    const values = task.values;
    const inner = gate === 0 ? values : gate;
    const isGelu = task.kind === 1;
    for (let at = start; at < end; at += 16) {
      const x = v128.load(inner + at);
      const f = isGelu ? gelu(x) : silu(x);
      v128.store(values + at, gate === 0 ? f : f32x4.mul(f, v128.load(values + at)));
    }
  }
}

/** x / (1 + e⁻ˣ) */
// @ts-ignore: decorator
@inline
function silu(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exponential(f32x4.neg(x))));
}

/** x (1 + tanh u) / 2 = x / (1 + e⁻²ᵘ), u = √(2/π) (x + 0.044715 x³) */
// @ts-ignore: decorator
@inline
function gelu(x: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(x, x), f32x4.mul(x, f32x4.splat(0.044715)));
  const exponent = f32x4.mul(f32x4.add(x, cube), f32x4.splat(-1.5957691216057308));
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exponential(exponent)));
}
