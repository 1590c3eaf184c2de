import { UsageError } from "@requant/core";
import { didYouMean, quoted } from "@requant/core/text";
import type { Context, Handler } from "../context.ts";
import { type FleetArguments, fleetArguments } from "../fleet/settings.ts";
import { fleetActions, refuseOtherActions } from "../fleet-options.ts";

type Action = (plan: string | undefined, given: FleetArguments, context: Context) => Promise<number>;

/** Each loads what it needs: only here is Redis. */
const actions: Readonly<Record<(typeof fleetActions)[number], Action>> = {
  async submit(plan, given, context) {
    if (plan === undefined) {
      throw new UsageError("There is no plan to submit.", {
        hint: "Write requant fleet submit plan.json; convert or calibrate saves one with --plan-out.",
      });
    }
    const { submit } = await import("../fleet/submit.ts");
    return submit(plan, given, context);
  },
  async work(plan, given, context) {
    if (plan !== undefined) {
      throw new UsageError("A worker takes the parts of all plans.", { hint: `Leave out ${quoted(plan)}.` });
    }
    const { work } = await import("../fleet/work.ts");
    return work(given, context);
  },
  async status(plan, given, context) {
    const { status } = await import("../fleet/status.ts");
    return status(plan, given, context);
  },
  async remove(plan, given, context) {
    if (plan === undefined) {
      throw new UsageError("There is no plan to remove.", {
        hint: "Write requant fleet remove plan.json, or the id that requant fleet status shows.",
      });
    }
    const { remove } = await import("../fleet/remove.ts");
    return remove(plan, given, context);
  },
};

/** The parts of saved plans on many machines. */
export const fleet: Handler = async ([action = "", plan], given, context) => {
  const known = fleetActions.find((name) => name === action);
  if (known === undefined) {
    throw new UsageError(`Fleet ${action}: there is no such action.${didYouMean(action, fleetActions)}`, {
      hint: `Use one of ${fleetActions.join(", ")}.`,
    });
  }
  refuseOtherActions(known, given);
  return actions[known](plan, fleetArguments.parse(given), context);
};
