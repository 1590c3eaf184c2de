import type { Fidelity } from "@requant/convert";
import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { type PlanChanges, planChanges } from "../../conversion/plan-changes.ts";
import type { PlannedConversion } from "../../host/methods/plan.ts";
import type { Conversion } from "../../state/conversion.ts";
import { strings } from "../../strings.ts";
import { byteQuantity, figure } from "../../ui/quantity.ts";
import { Table } from "../../ui/table.tsx";
import { Findings } from "../findings.tsx";
import { PlanTensors } from "./plan-tensors.tsx";

/** What would happen, before anything is written. */
export function PlanView({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.plan;
  const state = conversion.plan.value;
  const run = conversion.run.value;
  const done = run.kind === "done" ? run.converted.report : undefined;
  return (
    <section aria-label={text.title} aria-busy={conversion.planning.value} class="plan">
      <h3>
        {text.title} <small role="status">{conversion.planning.value ? text.planning : ""}</small>
      </h3>
      {state.kind === "none" ? <p class="quiet">{text.none}</p> : null}
      {state.kind === "refused" ? <Findings findings={[state.refusal]} /> : null}
      {state.kind === "planned" ? (
        <Planned
          plan={state.plan}
          changes={state.before === undefined ? undefined : planChanges(state.plan, state.before)}
          measured={done?.target.text === state.plan.target.text ? done.tensors : undefined}
        />
      ) : null}
    </section>
  );
}

interface PlannedProps {
  readonly plan: PlannedConversion;
  readonly changes: PlanChanges | undefined;
  /** The tensors with their errors, once they are made. */
  readonly measured: PlannedConversion["tensors"] | undefined;
}

function Planned({ plan, changes, measured }: PlannedProps): JSX.Element {
  const text = strings.convert.plan;
  const { byteLength, source, target, tensors, leftOut, findings } = plan;
  const sourceBytes = source.files.reduce((sum, file) => sum + file.byteLength, 0);
  const parameters = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const bits =
    parameters === 0 ? 0 : (tensors.reduce((sum, one) => sum + one.byteLength, 0) * 8) / parameters;
  const share = sourceBytes === 0 ? 0 : (byteLength / sourceBytes) * 100;
  const facts: readonly (readonly [string, string, string?])[] = [
    [text.size, byteQuantity(byteLength), text.ofSource(`${share.toFixed(0)} %`, byteQuantity(sourceBytes))],
    [text.bits, bits.toFixed(3)],
    [text.tensors, figure(tensors.length)],
    [text.files, figure(target.files.length)],
    ...(leftOut.length === 0 ? [] : [[text.leftOut, figure(leftOut.length)] as const]),
  ];
  return (
    <>
      <dl class="facts">
        {facts.map(([label, value, more]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <strong>{value}</strong> {more === undefined ? null : <small>{more}</small>}
            </dd>
          </div>
        ))}
      </dl>
      <FidelityBar plan={plan} />
      {changes === undefined ? null : (
        <p class="quiet" role="status">
          {text.change(signed(changes.byteLength))}
          {changes.before.size === 0 ? "." : `, ${text.changed(changes.before.size)}.`}
        </p>
      )}
      {findings.length === 0 ? null : <Findings findings={findings} />}
      {target.files.length < 2 ? null : (
        <Table
          caption={text.files}
          columns={[{ name: strings.overview.file }, { name: text.size, isNumber: true }]}
          rows={target.files.map((file) => [file.name, byteQuantity(file.byteLength)])}
        />
      )}
      <PlanTensors tensors={measured ?? tensors} before={changes?.before} />
    </>
  );
}

function signed(byteLength: number): string {
  const size = byteQuantity(Math.abs(byteLength));
  return byteLength < 0 ? `−${size}` : `+${size}`;
}

/** How many tensors, and how many of the bytes, keep their values. */
function FidelityBar({ plan }: { readonly plan: PlannedConversion }): JSX.Element {
  const text = strings.convert.plan;
  const names = Object.keys(text.fidelities) as Fidelity[];
  const parts = names.flatMap((name) => {
    const tensors = plan.tensors.filter(({ fidelity }) => fidelity === name);
    const bytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return tensors.length === 0 ? [] : [{ name, count: tensors.length, bytes }];
  });
  return (
    <section aria-label={text.fidelity} class="fidelity">
      <div class="bar" aria-hidden="true">
        {parts.map(({ name, bytes }) => (
          <span key={name} class={`part ${name}`} style={{ flexGrow: Math.max(bytes, 1) }} />
        ))}
      </div>
      <ul class="parts">
        {parts.map(({ name, count, bytes }) => (
          <li key={name}>
            <span class={`swatch ${name}`} aria-hidden="true" />
            <strong>{name}</strong> <span class="quiet">{text.fidelities[name]}</span> {figure(count)},{" "}
            {byteQuantity(bytes)}
          </li>
        ))}
      </ul>
    </section>
  );
}
