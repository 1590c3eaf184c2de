import { UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import type { Plan } from "../plan/plan.ts";

/** @throws UsageError where a plan was made for another model */
export function refuseOtherModel(plan: Plan, model: Model): void {
  const fits =
    plan.source.files.length === model.files.length &&
    plan.source.files.every(({ name, byteLength }, index) => {
      const file = model.files[index];
      return file !== undefined && file.name === name && file.byteLength === byteLength;
    });
  if (!fits) {
    throw new UsageError("The plan was made for another model, or the model's files have changed since.", {
      path: model.name,
      hint: "Plan again.",
    });
  }
}
