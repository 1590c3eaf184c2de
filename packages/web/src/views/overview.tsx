import type { Finding } from "@requant/core";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, refusalFrom } from "../host/client.ts";
import type { OpenedModel } from "../host/methods/open.ts";
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

/** The findings of the header, and on demand those of all weights. */
function Doctor({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.overview;
  const [findings, setFindings] = useState<readonly Finding[]>(model.findings);
  const [running, setRunning] = useState<AbortController | undefined>(undefined);
  const [share, setShare] = useState(0);
  const examine = async (weights: boolean): Promise<void> => {
    const abort = new AbortController();
    if (weights) setRunning(abort);
    try {
      const report = await call(
        "doctor",
        { id: model.id, weights },
        {
          signal: abort.signal,
          onProgress: (value) => {
            const { done, total } = value as { done: number; total: number };
            setShare(total === 0 ? 0 : done / total);
          },
        },
      );
      setFindings(report.findings);
    } catch (error) {
      const refusal = refusalFrom(error);
      if (!refusal.isStopped) setFindings([refusal, ...model.findings]);
    } finally {
      if (weights) setRunning(undefined);
    }
  };
  useEffect(() => {
    setFindings(model.findings);
    void examine(false);
  }, [model]);
  return (
    <section>
      <h2>{text.findings}</h2>
      <Findings findings={findings} />
      {running === undefined ? (
        <button type="button" onClick={() => void examine(true)}>
          {text.examine}
        </button>
      ) : (
        <p>
          <progress value={share} aria-label={text.examining} /> {text.examining}{" "}
          <button type="button" onClick={() => running.abort()}>
            {strings.stop}
          </button>
        </p>
      )}
    </section>
  );
}
