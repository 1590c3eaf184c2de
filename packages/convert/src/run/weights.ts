/** The bytes of one output tensor, by the way that its plan says. */
import { UsageError } from "@requant/core";
import { plannedSources } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { Way } from "../plan/way.ts";
import type { BandLayout, MakeBand, WayRunner } from "./bands.ts";
import type { WeightGuide } from "./guides.ts";
import { throughFloats } from "./ways/floats.ts";
import { movedBytes } from "./ways/moved-bytes.ts";
import { movedRows } from "./ways/moved-rows.ts";
import { roundTripped } from "./ways/round-tripped.ts";
import { throughView } from "./ways/through-view.ts";

/** For tensors that the output stores as one tensor; `packedWeight` makes the weights that are stored in parts. */
const runners: Readonly<Record<Exclude<Way["kind"], "parts">, WayRunner>> = {
  bytes: movedBytes,
  rows: movedRows,
  view: throughView,
  floats: throughFloats,
  through: roundTripped,
};

function runnerOf({ way, name }: PlanTensor): WayRunner {
  if (way.kind !== "parts") return runners[way.kind];
  throw new UsageError("The plan copies the parts of a weight that is not packed.", { tensor: name });
}

/** How a tensor is cut into bands: from its plan alone. */
export function bandLayout(task: PlanTensor): BandLayout {
  return runnerOf(task).layout(task);
}

/** Makes the bands of a tensor. */
export function bandMaker(model: Model, task: PlanTensor, guide?: WeightGuide): MakeBand {
  return runnerOf(task).maker(model, task, guide);
}

/** Encodings of the stored tensors behind some inputs, each once, in order. */
export function sourceEncodings(model: Model, task: Pick<PlanTensor, "name" | "shape" | "inputs">): string[] {
  return [...new Set(plannedSources(task).map((name) => model.tensor(name).encoding))];
}
