/**
 * The steps of one block with the least weighted squared error: those of each sub-block alone, then as the block stores
 * them, then d and dmin by least squares and each stored number moved by one, as long as that helps.
 */
import { floatToHalf, halfToFloat } from "@requant/core";
import type { BlockSteps, GridForm } from "./grid-form.ts";
import { type BiasSign, type Fit, Group } from "./group-fit.ts";

/** Parts of the largest stored number that the largest scale or minimum is put at, when d or dmin is searched. */
const PARTS: readonly number[] = [1, 0.97, 0.94, 0.91, 0.87, 0.82, 0.76];

const REFINEMENTS = 3;

/** A round that lowers the error by less than this share is the last. */
const WORTHWHILE = 1e-4;

const MAX_HALF = 65504;

function toHalf(value: number): number {
  return halfToFloat(floatToHalf(Math.max(-MAX_HALF, Math.min(MAX_HALF, value))));
}

/** The steps for the weights of one block. `costs`: what a squared error in each of them costs. */
export function fitBlock(form: GridForm, values: Float32Array, costs: Float32Array): BlockSteps {
  const { size, count, levels, maxMin } = form;
  const groups = Array.from({ length: count }, (_, j) => {
    const [from, to] = [size * j, size * (j + 1)];
    return new Group(values.subarray(from, to), costs.subarray(from, to), levels);
  });
  const sign: BiasSign = maxMin === "any" ? "any" : maxMin === 0 ? "none" : "negative";
  const fits = groups.map((group) => group.fit(sign));
  const steps: BlockSteps = { d: 0, dmin: 0, scales: new Int32Array(count), mins: new Int32Array(count) };
  const biases = chooseScales(form, groups, fits, sign, steps);
  chooseMins(form, groups, biases, steps);
  let error = blockError(groups, steps);
  for (let round = 0; round < REFINEMENTS; round++) {
    const before = error;
    error = refit(form, groups, steps, error);
    error = Math.min(error, moveByOne(form, groups, steps));
    if (!(error < before * (1 - WORTHWHILE))) break;
  }
  return steps;
}

/** d and the stored scales. Returns the best offset of each sub-block under them. */
function chooseScales(
  { scaleRange: [min, max] }: GridForm,
  groups: readonly Group[],
  fits: readonly Fit[],
  sign: BiasSign,
  steps: BlockSteps,
): Float64Array {
  const single = min === max;
  if (single) steps.scales.fill(min);
  const biases = Float64Array.from(fits, ({ bias }) => bias);
  let extreme = 0;
  for (const { scale } of fits) if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
  let best = Number.POSITIVE_INFINITY;
  const trialScales = new Int32Array(groups.length);
  const trialBiases = new Float64Array(groups.length);
  for (const end of min < 0 ? [min, max] : [max]) {
    for (const part of single ? [1] : PARTS) {
      const d = toHalf(extreme / (end * part));
      if (d === 0) continue;
      let total = 0;
      for (let j = 0; j < groups.length && total < best; j++) {
        const { scale, bias } = fits[j]!;
        const low = single ? min : Math.floor(scale / d);
        let least = Number.POSITIVE_INFINITY;
        for (let code = Math.max(min, low); code <= Math.min(max, low + 1); code++) {
          const fit = groups[j]!.fitBias(sign, d * code, bias, least);
          if (!(fit.error < least)) continue;
          least = fit.error;
          trialScales[j] = code;
          trialBiases[j] = fit.bias;
        }
        total += least;
      }
      if (!(total < best)) continue;
      best = total;
      steps.d = d;
      steps.scales.set(trialScales);
      biases.set(trialBiases);
    }
  }
  return biases;
}

/** dmin and the stored minimums under known scales. */
function chooseMins(
  { maxMin }: GridForm,
  groups: readonly Group[],
  biases: Float64Array,
  steps: BlockSteps,
): void {
  if (maxMin === "any") {
    steps.mins.fill(1);
    steps.dmin = toHalf(-biases[0]!);
    return;
  }
  let largest = 0;
  for (const bias of biases) largest = Math.max(largest, -bias);
  if (maxMin === 0 || largest === 0) return;
  let best = Number.POSITIVE_INFINITY;
  const trial = new Int32Array(groups.length);
  for (const part of PARTS) {
    const dmin = toHalf(largest / (maxMin * part));
    if (dmin === 0) continue;
    let total = 0;
    for (let j = 0; j < groups.length && total < best; j++) {
      const low = Math.min(maxMin, Math.floor(-biases[j]! / dmin));
      let least = Number.POSITIVE_INFINITY;
      for (let code = low; code <= Math.min(maxMin, low + 1); code++) {
        const error = groups[j]!.errorOf(steps.d * steps.scales[j]!, -dmin * code, least);
        if (!(error < least)) continue;
        least = error;
        trial[j] = code;
      }
      total += least;
    }
    if (!(total < best)) continue;
    best = total;
    steps.dmin = dmin;
    steps.mins.set(trial);
  }
}

function blockError(groups: readonly Group[], { d, dmin, scales, mins }: BlockSteps): number {
  let total = 0;
  for (let j = 0; j < groups.length; j++) total += groups[j]!.errorOf(d * scales[j]!, -dmin * mins[j]!);
  return total;
}

/** d and dmin by least squares for the codes that they give now, where that lowers the error. Returns the error. */
function refit({ maxMin }: GridForm, groups: readonly Group[], steps: BlockSteps, known: number): number {
  const { d, dmin, scales, mins } = steps;
  let [aa, ab, bb, ax, bx] = [0, 0, 0, 0, 0];
  for (let j = 0; j < groups.length; j++) {
    const group = groups[j]!;
    const [s, m] = [scales[j]!, -mins[j]!];
    group.measure(d * s, dmin * m);
    aa += s * s * group.ll;
    ab += s * m * group.l;
    bb += m * m * group.w;
    ax += s * group.xl;
    bx += m * group.x;
  }
  const determinant = aa * bb - ab * ab;
  if (determinant > 1e-9 * aa * bb) {
    steps.d = toHalf((bb * ax - ab * bx) / determinant);
    const least = toHalf((aa * bx - ab * ax) / determinant);
    if (maxMin === "any" || least >= 0) steps.dmin = least;
  } else if (aa > 0 && bb === 0) steps.d = toHalf(ax / aa);
  if (steps.d === d && steps.dmin === dmin) return known;
  const error = blockError(groups, steps);
  if (error < known) return error;
  [steps.d, steps.dmin] = [d, dmin];
  return known;
}

/** Moves each sub-block's stored scale and minimum by one, where that lowers the error. Returns the error. */
function moveByOne({ scaleRange, maxMin }: GridForm, groups: readonly Group[], steps: BlockSteps): number {
  const [min, max] = scaleRange;
  const { d, dmin, scales, mins } = steps;
  let total = 0;
  for (let j = 0; j < groups.length; j++) {
    const [scale, least] = [scales[j]!, mins[j]!];
    const lowest = maxMin === "any" ? least : Math.max(0, least - 1);
    const highest = maxMin === "any" ? least : Math.min(maxMin, least + 1);
    let best = groups[j]!.errorOf(d * scale, -dmin * least);
    for (let s = Math.max(min, scale - 1); s <= Math.min(max, scale + 1); s++) {
      for (let m = lowest; m <= highest; m++) {
        if (s === scale && m === least) continue;
        const error = groups[j]!.errorOf(d * s, -dmin * m, best);
        if (!(error < best)) continue;
        best = error;
        scales[j] = s;
        mins[j] = m;
      }
    }
    total += best;
  }
  return total;
}
