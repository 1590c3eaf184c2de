/** Facts of weights whose codes are levels of a table. */
import type { Float8Encoding } from "../numeric/float8.ts";
import {
  type FindParameterFacts,
  parameterFacts,
  type ScaleNumbers,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
} from "./facts.ts";
import type { Misfit } from "./requirement.ts";

/** Scales in the order of a view: `scales[row × groupCount + group]`. */
export type Scales = Omit<ViewParameters, "zeros" | "rounding">;

/** What the small parts of such a weight show. */
export interface LevelFacts {
  readonly facts: ViewFacts | undefined;
  readonly noView?: Misfit;
}

/** The largest level of each table, counted in its steps: 2^-9 for E4M3, where no code holds such integers, and ½ for E2M1. */
export const REACH: Readonly<Record<"E4M3" | "E2M1", number>> = { E4M3: 448 * 2 ** 9, E2M1: 12 };

/** A scale that is no number leaves no view, and its weights are read as they are. */
function infiniteScale({ scales, groupCount }: Scales): Misfit | undefined {
  const at = scales.findIndex((scale) => !Number.isFinite(scale));
  if (at === -1) return undefined;
  return {
    reason: `the scale of row ${Math.floor(at / groupCount)}, group ${at % groupCount} is ${scales[at]}, not a finite number`,
    hint: "A float type holds these values.",
  };
}

/** Why weights in E5M2 have no view: a view has no infinite levels, and no target stores such codes. */
export const E5M2_MISFIT: Misfit = {
  reason: "its codes are 8-bit floats in E5M2, which no quantized target stores",
  hint: "A float type holds these values.",
};

/** Of 8-bit floats. */
export function float8Facts(
  encoding: Float8Encoding,
  parameters: Scales,
  scaleType: ScaleNumbers | undefined,
  scaleRows = 1,
  find: FindParameterFacts = parameterFacts,
): LevelFacts {
  const noView = encoding === "F8_E5M2" ? E5M2_MISFIT : infiniteScale(parameters);
  if (noView !== undefined) return { facts: undefined, noView };
  const zeros = new Int16Array(parameters.scales.length);
  return {
    facts: {
      ...viewFacts({ ...parameters, zeros, rounding: "none" }, 255, {}, find),
      maxCode: 2 * REACH.E4M3,
      minOffset: -REACH.E4M3,
      maxOffset: REACH.E4M3,
      symmetric: true,
      table: "E4M3",
      scaleType,
      ...(scaleRows > 1 ? { scaleRows } : {}),
    },
  };
}

/** Of 4-bit floats (E2M1). Counted in halves, the levels are the integers −12 to 12. */
export function e2m1Facts(
  parameters: Scales,
  scaleType: ScaleNumbers | undefined,
  find: FindParameterFacts = parameterFacts,
): LevelFacts {
  const noView = infiniteScale(parameters);
  if (noView !== undefined) return { facts: undefined, noView };
  const halves = parameters.scales.map((scale) => scale / 2);
  const isExact = halves.every((half, i) => 2 * half === parameters.scales[i]);
  const zeros = new Int16Array(halves.length).fill(REACH.E2M1);
  const view: ViewParameters = { ...parameters, scales: halves, zeros, rounding: "none" };
  const facts = viewFacts(view, 2 * REACH.E2M1, {}, find);
  return {
    facts: {
      ...facts,
      scalesAreHalf: facts.scalesAreHalf && isExact,
      scalesAreBfloat: facts.scalesAreBfloat && isExact,
      symmetric: true,
      table: "E2M1",
      scaleType,
    },
  };
}
