import type { JSX } from "preact";
import { refreshStored, stored } from "../../state/stored-outputs.ts";
import { removeOutput } from "../../storage/own-storage.ts";
import { strings } from "../../strings.ts";
import { byteQuantity } from "../../ui/quantity.ts";
import { SaveButton } from "./run.tsx";

/** What earlier conversions have left in the browser's own storage, and takes room there. */
export function Stored(): JSX.Element | null {
  const text = strings.convert.stored;
  if (stored.value.length === 0) return null;
  const remove = async (name: string): Promise<void> => {
    try {
      await removeOutput(name);
    } finally {
      await refreshStored();
    }
  };
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <ul class="stored">
        {stored.value.map(({ name, files, byteLength, isUnfinished }) => (
          <li key={name}>
            <span class="stored-name">{name}</span>
            <small>
              {byteQuantity(byteLength)}
              {isUnfinished ? `, ${text.unfinished}` : ""}
            </small>
            <span class="row">
              {files.length === 0 ? null : (
                <SaveButton files={files} label={text.save(name)}>
                  {text.saveButton}
                </SaveButton>
              )}
              <button type="button" aria-label={text.remove(name)} onClick={() => void remove(name)}>
                {text.removeButton}
              </button>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
