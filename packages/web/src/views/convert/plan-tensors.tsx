import type { ReportTensor } from "@requant/convert";
import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { strings } from "../../strings.ts";
import { Grid } from "../../ui/grid.tsx";
import { TextField } from "../../ui/labelled.tsx";
import { byteQuantity, figure, shapeText } from "../../ui/quantity.ts";
import { filterTexts, matchingRows } from "../../ui/row-filter.ts";
import { byOrder, type GridColumn, type Order } from "../../ui/row-order.ts";

type ColumnName = keyof typeof strings.convert.plan.columns;

interface PlanTensorsProps {
  readonly tensors: readonly ReportTensor[];
  /** How tensors were stored before the last choice, of those that have changed. */
  readonly before: ReadonlyMap<string, string> | undefined;
}

type Columns = Readonly<Record<ColumnName, GridColumn<ReportTensor>>>;

/** Every tensor of the output: how it is made, and its error once it is. */
export function PlanTensors({ tensors, before }: PlanTensorsProps): JSX.Element {
  const text = strings.convert.plan;
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order<ColumnName> | undefined>(undefined);
  const columns = useMemo(() => columnsWith(before), [before]);
  const texts = useMemo(() => filterTexts(tensors, filterText), [tensors]);
  const sorted = useMemo(() => byOrder(tensors, columns, order), [tensors, columns, order]);
  const shown = useMemo(() => matchingRows(sorted, texts, filter), [sorted, texts, filter]);
  return (
    <div class="plan-tensors">
      <div class="row">
        <TextField label={text.filter} type="search" value={filter} onText={setFilter} />
        <output>{strings.tensors.count(shown.length, tensors.length)}</output>
      </div>
      <Grid
        label={text.grid}
        layout="grid-plan"
        rows={shown}
        columns={columns}
        titles={text.columns}
        order={order}
        onOrder={setOrder}
      />
    </div>
  );
}

function filterText({ name, from, to, fidelity }: ReportTensor): string {
  return `${name} ${from} ${to} ${fidelity}`;
}

function words(value: (tensor: ReportTensor) => string): GridColumn<ReportTensor> {
  return { text: value, value };
}

const errorOf = ({ relativeRmse }: ReportTensor): string =>
  relativeRmse === undefined ? "" : `${figure(relativeRmse * 100)} %`;

function columnsWith(before: PlanTensorsProps["before"]): Columns {
  return {
    name: words(({ name }) => name),
    shape: { text: ({ shape }) => shapeText(shape), value: ({ shape }) => elementCount(shape) },
    from: words(({ from }) => from),
    to: words(({ to }) => to),
    fidelity: words(({ fidelity }) => fidelity),
    byteLength: {
      isNumber: true,
      text: ({ byteLength }) => byteQuantity(byteLength),
      value: ({ byteLength }) => byteLength,
    },
    error: { isNumber: true, text: errorOf, value: ({ relativeRmse }) => relativeRmse ?? -1 },
    before: words(({ name }) => before?.get(name) ?? ""),
    reason: words(({ reason, hint }) => [reason, hint].filter((one) => one !== undefined).join(" ")),
  };
}
