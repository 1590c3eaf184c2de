import type { JSX } from "preact";
import type { OpenedModel } from "../host/methods/open.ts";
import { examinationOf } from "../state/examinations.ts";
import { strings } from "../strings.ts";
import { byteQuantity, countQuantity, figure } from "../ui/quantity.ts";
import { Table } from "../ui/table.tsx";
import { Findings } from "./findings.tsx";

/** What a model is: facts, encodings, files, and what is wrong with it. */
export function Overview({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.overview;
  return (
    <>
      <Facts model={model} />
      <Doctor model={model} />
      <div class="tables">
        {model.measured.length === 0 ? null : <MeasuredFacts model={model} />}
        <Table
          caption={text.encodings}
          columns={[
            { name: text.encoding },
            { name: text.tensors, isNumber: true },
            { name: text.parameters, isNumber: true },
            { name: text.size, isNumber: true },
            { name: text.bitsPerWeight, isNumber: true },
          ]}
          rows={model.encodings.map(
            ({ encoding, tensorCount, parameterCount, byteLength, bitsPerWeight }) => [
              encoding,
              figure(tensorCount),
              countQuantity(parameterCount),
              byteQuantity(byteLength),
              bitsPerWeight.toFixed(3),
            ],
          )}
        />
        <Table
          caption={text.files}
          columns={[{ name: text.file }, { name: text.size, isNumber: true }]}
          rows={model.files.map(({ name, byteLength }) => [name, byteQuantity(byteLength)])}
        />
      </div>
    </>
  );
}

function Facts({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.overview;
  const { labels } = text;
  const own: readonly (readonly [label: string, value: string])[] = [
    [labels.format, model.variant],
    ...(model.architecture === undefined ? [] : ([[labels.architecture, model.architecture]] as const)),
    [labels.parameters, countQuantity(model.parameterCount)],
    [labels.tensors, figure(model.tensorCount)],
    [labels.size, byteQuantity(model.fileByteLength)],
    [labels.bitsPerWeight, model.bitsPerWeight.toFixed(3)],
    ...model.facts.map(
      ({ label, value }) => [label, typeof value === "number" ? figure(value) : String(value)] as const,
    ),
  ];
  return (
    <section aria-label={text.facts}>
      <h2>{text.facts}</h2>
      <dl class="facts overview-facts">
        {own.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function MeasuredFacts({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.overview;
  return (
    <Table
      caption={text.claims}
      columns={[{ name: text.fact }, { name: text.claimed }, { name: text.measured }]}
      rows={model.measured.map(({ label, claimed, measured }) => [label, claimed ?? "", measured])}
    />
  );
}

/** The findings of the headers, and on demand those of all weights. */
function Doctor({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.overview;
  const examination = examinationOf(model);
  const share = examination.share.value;
  return (
    <section>
      <h2>{text.findings}</h2>
      <Findings findings={examination.findings.value} />
      {share === undefined ? (
        <button type="button" onClick={() => void examination.readWeights()}>
          {text.examine}
        </button>
      ) : (
        <p>
          <progress value={share} aria-label={text.examining} /> {text.examining}{" "}
          <button type="button" onClick={() => examination.stop()}>
            {strings.stop}
          </button>
        </p>
      )}
    </section>
  );
}
