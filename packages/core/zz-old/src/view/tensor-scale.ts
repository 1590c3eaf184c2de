/** Views with one factor for the whole weight beside the scales of their blocks: NVFP4. */
import { E4M3_VALUES } from "../numeric/float8.ts";
import { isLevelView, type StoredView } from "./level-view.ts";

/** A view without the factor of the whole weight, and that factor; 1 where it has none. */
export function splitTensorScale(view: StoredView): {
  readonly blocks: StoredView;
  readonly tensorScale: number;
} {
  if (!isLevelView(view)) return { blocks: view, tensorScale: 1 };
  const { factors } = view;
  const ofTensor = factors.filter(({ span }) => span.kind === "tensor");
  const [factor] = ofTensor;
  if (ofTensor.length !== 1 || factor === undefined) return { blocks: view, tensorScale: 1 };
  const others = factors.filter((one) => one !== factor);
  return { blocks: { ...view, factors: others }, tensorScale: factor.values[0] ?? 1 };
}

const fround = Math.fround;

/** True where a scale byte (E4M3) divided by one number is the same f32 number as times the other. */
export function dividesAs(code: number, divisor: number, scale: number): boolean {
  const value = E4M3_VALUES[code]!;
  return fround(value / divisor) === fround(value * scale);
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
/** How far from 1 ÷ scale a divisor is looked for, in steps of the last bit. */
const REACH = 2;

/**
 * An f32 number by which E4M3 scales are divided with the same results, each rounded to f32, as they are multiplied by
 * `scale`; undefined where there is none. compressed-tensors divides, ModelOpt and GGUF multiply.
 */
export function divisorOf(scale: number): number | undefined {
  float[0] = 1 / scale;
  const nearest = bits[0]!;
  for (let step = 0; step <= REACH; step++) {
    for (const to of [nearest + step, nearest - step]) {
      bits[0] = to;
      const divisor = float[0]!;
      if (Number.isFinite(divisor) && divisor !== 0 && isDivisor(divisor, scale)) return divisor;
    }
  }
  return undefined;
}

/** All finite scales without a sign. */
function isDivisor(divisor: number, scale: number): boolean {
  for (let code = 0; code < 0x7f; code++) if (!dividesAs(code, divisor, scale)) return false;
  return true;
}
