import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ModelMetadata } from "../../host/methods/metadata.ts";
import type { OpenedModel } from "../../host/methods/open.ts";
import { strings } from "../../strings.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { TextField } from "../../ui/labelled.tsx";
import { useHost } from "../../ui/use-host.ts";
import { Findings } from "../findings.tsx";
import { Changes } from "./changes.tsx";
import { KeyRow } from "./key-row.tsx";

/** Metadata of a GGUF, or the settings of a directory: readable, searchable, and for a GGUF editable. */
export function Metadata({ model }: { readonly model: OpenedModel }): JSX.Element {
  const answer = useHost("metadata", { id: model.id });
  if (answer.kind === "waiting") return <p role="status">{strings.metadata.reading}</p>;
  if (answer.kind === "refused") return <Findings findings={[answer.refusal]} />;
  return <Keys model={model} metadata={answer.value} />;
}

interface KeysProps {
  readonly model: OpenedModel;
  readonly metadata: ModelMetadata;
}

function Keys({ model: { id, files }, metadata: { lines, chatTemplates, isGguf } }: KeysProps): JSX.Element {
  const text = strings.metadata;
  const [filter, setFilter] = useState("");
  const shown = useMemo(() => {
    const words = filter.toLowerCase();
    return lines.filter(({ key, value }) => `${key} ${value}`.toLowerCase().includes(words));
  }, [lines, filter]);
  if (lines.length === 0) return <p class="quiet">{text.none}</p>;
  return (
    <>
      <div class="row metadata-search">
        <TextField type="search" label={text.filter} value={filter} onText={setFilter} />
        <output>{text.count(shown.length, lines.length)}</output>
      </div>
      <div class="scroll-x" tabIndex={0} role="region" aria-label={text.title}>
        <table class="metadata">
          <thead>
            <tr>
              <th scope="col">{text.columns.key}</th>
              <th scope="col">{text.columns.type}</th>
              <th scope="col">{text.columns.value}</th>
              <th scope="col">{text.columns.actions}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((line) => (
              <KeyRow key={line.key} id={id} line={line} isEditable={isGguf} />
            ))}
          </tbody>
        </table>
      </div>
      {isGguf ? <Changes id={id} fileName={files[0]?.name ?? ""} /> : null}
      {chatTemplates.map(({ name, text: template }) => (
        <section key={name}>
          <div class="row">
            <h2>
              {text.template}: <code>{name}</code>
            </h2>
            <CopyButton text={template} label={text.copyKey(name)} />
          </div>
          <pre class="template" tabIndex={0} role="region" aria-label={name}>
            {template}
          </pre>
        </section>
      ))}
    </>
  );
}
