import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { OpenedModel } from "../../host/methods/open.ts";
import { conversionOf } from "../../state/conversion.ts";
import { refreshStored } from "../../state/stored-outputs.ts";
import { Memory } from "./memory.tsx";
import { Options } from "./options.tsx";
import { Output } from "./output.tsx";
import { PlanView } from "./plan-summary.tsx";
import { Run } from "./run.tsx";
import { Stored } from "./stored.tsx";
import { TargetChooser } from "./target-chooser.tsx";

/** From a target to a plan to files. */
export function Convert({ model }: { readonly model: OpenedModel }): JSX.Element {
  const conversion = conversionOf(model.id);
  useEffect(() => void refreshStored(), []);
  return (
    <div class="convert">
      <div class="convert-choices">
        <TargetChooser conversion={conversion} />
        <Options conversion={conversion} />
        <Output conversion={conversion} />
      </div>
      <div class="convert-results">
        <Run conversion={conversion} />
        <PlanView conversion={conversion} />
        <Memory model={model} conversion={conversion} />
        <Stored />
      </div>
    </div>
  );
}
