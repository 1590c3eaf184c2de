import type { MetadataLine } from "@requant/convert";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { changesOf, noteChange } from "../../state/edits.ts";
import { strings } from "../../strings.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { KeyName } from "../../ui/key-name.tsx";

interface KeyRowProps {
  readonly id: number;
  readonly line: MetadataLine;
  readonly isEditable: boolean;
}

/** Characters of a value that the table shows. */
const SHOWN = 400;

/** One key, its value, and what can be done with it. */
export function KeyRow({ id, line, isEditable }: KeyRowProps): JSX.Element {
  const text = strings.metadata;
  const { key, type, length, value } = line;
  const change = changesOf(id).value.get(key);
  const [isEdited, setEdited] = useState(false);
  const isCut = value.length > SHOWN;
  return (
    <tr class={change === undefined ? undefined : "changed"}>
      <th scope="row">
        <KeyName name={key} />
      </th>
      <td class="quiet">{length === undefined ? type : `${type} × ${length.toLocaleString("en")}`}</td>
      <td class={change?.kind === "unset" ? "value removed" : "value"}>
        {isEdited ? (
          <ValueForm id={id} line={line} onDone={() => setEdited(false)} />
        ) : (
          `${value.slice(0, SHOWN)}${isCut ? "…" : ""}`
        )}
      </td>
      <td class="actions">
        <CopyButton text={value} label={text.copyKey(key)} />
        {!isEditable || isEdited ? null : change === undefined ? (
          <>
            <button
              type="button"
              class="small"
              aria-label={text.editKey(key)}
              onClick={() => setEdited(true)}
            >
              {text.edit}
            </button>
            <button
              type="button"
              class="small"
              aria-label={text.removeKey(key)}
              onClick={() => noteChange(id, key, { kind: "unset" })}
            >
              {text.remove}
            </button>
          </>
        ) : (
          <button
            type="button"
            class="small"
            aria-label={text.undoKey(key)}
            onClick={() => noteChange(id, key, undefined)}
          >
            {text.undo}
          </button>
        )}
      </td>
    </tr>
  );
}

interface ValueFormProps {
  readonly id: number;
  readonly line: MetadataLine;
  onDone(): void;
}

/** The value as text; a text of many lines, such as a chat template, has room. */
function ValueForm({ id, line: { key, type, value }, onDone }: ValueFormProps): JSX.Element {
  const text = strings.metadata;
  // a long array is shown by its beginning, which is no value to start from
  const [draft, setDraft] = useState(type.startsWith("array[") && value.endsWith("…]") ? "" : value);
  const word = type.startsWith("array[") ? `${type.slice("array[".length, -1)}[]` : type;
  const keep = (event: Event): void => {
    event.preventDefault();
    noteChange(id, key, { kind: "set", assignment: `${key}=${word}:${draft}` });
    onDone();
  };
  return (
    <form onSubmit={keep} class="value-form">
      <textarea
        aria-label={text.newValue(key)}
        rows={Math.min(20, draft.split("\n").length + 1)}
        spellcheck={false}
        value={draft}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
      />
      <div class="row">
        <button type="submit">{text.keep}</button>
        <button type="button" onClick={onDone}>
          {text.cancel}
        </button>
      </div>
    </form>
  );
}
