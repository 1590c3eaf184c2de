import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, refusalFrom } from "../../host/client.ts";
import type { EditRequest } from "../../host/methods/edit.ts";
import type { Refusal } from "../../host/protocol.ts";
import { changesOf, type KeyChanges, noteChange } from "../../state/edits.ts";
import { editedFile } from "../../storage/own-storage.ts";
import { canSaveInPlace, chooseSaveFile, saveFile } from "../../storage/save-file.ts";
import { strings } from "../../strings.ts";
import { KeyName } from "../../ui/key-name.tsx";
import { Switch, TextField } from "../../ui/labelled.tsx";
import { Table } from "../../ui/table.tsx";
import { useHost } from "../../ui/use-host.ts";
import { Findings } from "../findings.tsx";

function requestOf(id: number, changes: KeyChanges): EditRequest {
  const entries = [...changes];
  return {
    id,
    set: entries.flatMap(([, change]) => (change.kind === "set" ? [change.assignment] : [])),
    unset: entries.flatMap(([key, change]) => (change.kind === "unset" ? [key] : [])),
  };
}

/** The changes that are noted: what they do, what readers will say, and writing the file. */
export function Changes({ id, fileName }: { readonly id: number; readonly fileName: string }): JSX.Element {
  const text = strings.edit;
  const changes = changesOf(id).value;
  return (
    <section aria-label={text.title} class="changes">
      <NewKey id={id} />
      {changes.size === 0 ? null : <Preview request={requestOf(id, changes)} fileName={fileName} />}
    </section>
  );
}

function NewKey({ id }: { readonly id: number }): JSX.Element {
  const text = strings.edit;
  const [draft, setDraft] = useState("");
  const add = (event: Event): void => {
    event.preventDefault();
    const key = draft.split("=")[0]?.trim() ?? "";
    if (key === "") return;
    noteChange(id, key, { kind: "set", assignment: draft });
    setDraft("");
  };
  return (
    <form class="row" onSubmit={add}>
      <TextField label={text.add} placeholder={text.addHint} value={draft} onText={setDraft} />
      <button type="submit">{text.addButton}</button>
    </form>
  );
}

type Writing =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly share: number; readonly abort: AbortController }
  | { readonly kind: "done"; readonly name: string }
  | { readonly kind: "refused"; readonly refusal: Refusal };

interface PreviewProps {
  readonly request: EditRequest;
  readonly fileName: string;
}

function Preview({ request, fileName }: PreviewProps): JSX.Element {
  const text = strings.edit;
  const plan = useHost("planEdit", request);
  const [force, setForce] = useState(false);
  const [writing, setWriting] = useState<Writing>({ kind: "none" });
  const save = async (): Promise<void> => {
    const abort = new AbortController();
    try {
      const handle = canSaveInPlace ? await chooseSaveFile(fileName) : undefined;
      if (canSaveInPlace && handle === undefined) return;
      setWriting({ kind: "running", share: 0, abort });
      const place =
        handle === undefined ? ({ kind: "storage" } as const) : ({ kind: "file", handle } as const);
      const { name } = await call(
        "writeEdit",
        { ...request, place, force },
        {
          signal: abort.signal,
          onProgress: (value) =>
            setWriting({ kind: "running", share: (value as { share: number }).share, abort }),
        },
      );
      if (handle === undefined) await saveFile(await editedFile(name));
      setWriting({ kind: "done", name });
    } catch (error) {
      const refusal = refusalFrom(error);
      setWriting(refusal.isStopped ? { kind: "none" } : { kind: "refused", refusal });
    }
  };
  if (plan.kind === "refused") return <Findings findings={[plan.refusal]} />;
  if (plan.kind === "waiting") return <p role="status">{strings.metadata.reading}</p>;
  const { differences, findings, isUnsound } = plan.value;
  return (
    <>
      <Table
        caption={text.title}
        columns={[{ name: text.key }, { name: text.before }, { name: text.after }]}
        rows={differences.map(({ key, before, after }) => [
          <KeyName key="key" name={key} />,
          before ?? text.nothing,
          after ?? text.nothing,
        ])}
      />
      {findings.length === 0 ? null : <Findings findings={findings} />}
      {isUnsound ? <Switch label={text.force} checked={force} onSwitch={setForce} /> : null}
      {canSaveInPlace ? <p class="quiet">{text.inPlace}</p> : null}
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={writing.kind === "running" || differences.length === 0 || (isUnsound && !force)}
          onClick={() => void save()}
        >
          {text.save}
        </button>
        {writing.kind === "running" ? (
          <>
            <progress value={writing.share} aria-label={text.saving} />
            <button type="button" onClick={() => writing.abort.abort()}>
              {strings.stop}
            </button>
          </>
        ) : null}
      </div>
      {writing.kind === "done" ? <p role="status">{text.saved(writing.name)}</p> : null}
      {writing.kind === "refused" ? <Findings findings={[writing.refusal]} /> : null}
    </>
  );
}
