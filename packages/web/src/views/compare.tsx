import { signal } from "@preact/signals";
import type { VerifiedTensor } from "@requant/convert";
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ComparedModels } from "../host/methods/compare.ts";
import type { OpenedModel } from "../host/methods/open.ts";
import { comparisonOf } from "../state/comparisons.ts";
import { openEntries } from "../state/models.ts";
import { strings } from "../strings.ts";
import { Grid } from "../ui/grid.tsx";
import { KeyName } from "../ui/key-name.tsx";
import { Chooser } from "../ui/labelled.tsx";
import { figure } from "../ui/quantity.ts";
import { byOrder, type GridColumn, type Order } from "../ui/row-order.ts";
import { Table } from "../ui/table.tsx";
import { useHost } from "../ui/use-host.ts";
import { ErrorMap } from "./error-map.tsx";
import { Findings } from "./findings.tsx";

/** The other model that was chosen last, by the first. */
const others = signal<ReadonlyMap<number, number>>(new Map());

/** Compares the model with another open one, whatever their formats. */
export function Compare({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.compare;
  const open = openEntries.value.filter((entry) => entry.model.id !== model.id);
  if (open.length === 0) return <p>{text.alone}</p>;
  const chosen = others.value.get(model.id);
  const other = open.find((entry) => entry.model.id === chosen) ?? (open.length === 1 ? open[0] : undefined);
  return (
    <>
      <Chooser
        label={text.other}
        value={other === undefined ? "" : String(other.model.id)}
        options={[["", text.choose], ...open.map(({ name, model: one }) => [String(one.id), name] as const)]}
        onChoose={(value) => {
          others.value = new Map(others.value).set(model.id, Number(value));
        }}
      />
      {other === undefined ? null : <Pair key={other.key} a={model} b={other.model} />}
    </>
  );
}

interface PairProps {
  readonly a: OpenedModel;
  readonly b: OpenedModel;
}

function Pair({ a, b }: PairProps): JSX.Element {
  const text = strings.compare;
  const comparison = comparisonOf({ a: a.id, b: b.id });
  const state = comparison.state.value;
  return (
    <>
      {state.kind === "running" ? (
        <p>
          <progress value={state.share} aria-label={text.running} /> {text.running}{" "}
          <button type="button" onClick={() => comparison.stop()}>
            {strings.stop}
          </button>
        </p>
      ) : (
        <p>
          <button type="button" class="primary" onClick={() => void comparison.start()}>
            {text.start}
          </button>
        </p>
      )}
      {state.kind === "refused" ? <Findings findings={[state.refusal]} /> : null}
      {state.kind === "done" ? <Result compared={state.compared} /> : null}
      <MetadataDiff a={a.id} b={b.id} />
    </>
  );
}

type ColumnName = keyof typeof strings.compare.columns;

/** A tensor without a signal has no ratio. */
const decibels = ({ equal, sqnr }: VerifiedTensor): string =>
  equal ? strings.compare.equalValue : Number.isFinite(sqnr) ? sqnr.toFixed(1) : "";

const columns: Readonly<Record<ColumnName, GridColumn<VerifiedTensor>>> = {
  name: { text: ({ name }) => name, value: ({ name }) => name },
  from: { text: ({ from }) => from, value: ({ from }) => from },
  to: { text: ({ to }) => to, value: ({ to }) => to },
  relativeRmse: {
    isNumber: true,
    text: ({ equal, relativeRmse }) => (equal ? "0" : figure(relativeRmse)),
    value: ({ relativeRmse }) => relativeRmse,
  },
  sqnr: { isNumber: true, text: decibels, value: ({ sqnr }) => -sqnr },
  maxAbsError: {
    isNumber: true,
    text: ({ maxAbsError }) => figure(maxAbsError),
    value: ({ maxAbsError }) => maxAbsError,
  },
  differences: {
    isNumber: true,
    text: ({ differences }) => figure(differences),
    value: ({ differences }) => differences,
  },
  diagnosis: {
    text: ({ diagnosis }) => diagnosis?.message ?? "",
    value: ({ diagnosis }) => diagnosis?.message ?? "",
  },
};

function Result({ compared: { report, findings } }: { readonly compared: ComparedModels }): JSX.Element {
  const text = strings.compare;
  const [order, setOrder] = useState<Order<ColumnName>>({ column: "relativeRmse", descending: true });
  const rows = useMemo(() => byOrder(report.tensors, columns, order), [report, order]);
  const different = report.tensors.filter(({ equal }) => !equal).length;
  return (
    <>
      <p role="status">
        <strong>{report.equal ? text.equal : text.different(different, report.tensors.length)}</strong>
      </p>
      {findings.length === 0 ? null : <Findings findings={findings} />}
      <Names title={text.onlyHere} names={report.onlyInA} />
      <Names title={text.onlyThere} names={report.onlyInB} />
      <Names
        title={text.shapes}
        names={report.shapesDiffer.map(({ name, a, b }) => `${name}: ${a.join(" × ")}, ${b.join(" × ")}`)}
      />
      {different === 0 ? null : <ErrorMap tensors={report.tensors} />}
      <Grid
        label={text.grid}
        layout="compared"
        rows={rows}
        columns={columns}
        titles={text.columns}
        order={order}
        onOrder={setOrder}
      />
    </>
  );
}

function Names({
  title,
  names,
}: {
  readonly title: string;
  readonly names: readonly string[];
}): JSX.Element | null {
  if (names.length === 0) return null;
  return (
    <details>
      <summary>
        {title}: {names.length}
      </summary>
      <ul>
        {names.map((name) => (
          <li key={name}>
            <code>{name}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Characters of a value that the table shows. */
const SHOWN = 200;

function MetadataDiff({ a, b }: { readonly a: number; readonly b: number }): JSX.Element | null {
  const text = strings.compare;
  const answer = useHost("compareMetadata", { a, b });
  if (answer.kind !== "done") return null;
  if (answer.value.length === 0) return <p class="quiet">{text.metadataSame}</p>;
  const cut = (value: string | undefined): string =>
    value === undefined ? strings.edit.nothing : value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
  return (
    <Table
      caption={text.metadata}
      columns={[
        { name: strings.metadata.columns.key },
        { name: text.columns.from },
        { name: text.columns.to },
      ]}
      rows={answer.value.map((pair) => [<KeyName key="key" name={pair.key} />, cut(pair.a), cut(pair.b)])}
    />
  );
}
