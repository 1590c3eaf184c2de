import type { JSX } from "preact";
import { closeEntry, entries, type ModelEntry, shownKey } from "../state/models.ts";
import { strings } from "../strings.ts";
import { byteQuantity } from "../ui/quantity.ts";

/** The models that were opened; a click shows one. */
export function ModelList(): JSX.Element | null {
  if (entries.value.length === 0) return null;
  const text = strings.models;
  return (
    <nav aria-label={text.list} class="model-list">
      <ul>
        {entries.value.map(({ key, name, state }) => (
          <li
            key={key}
            class={key === shownKey.value ? "shown" : ""}
            ref={key === shownKey.value ? showInList : null}
          >
            <button
              type="button"
              class="model-name"
              aria-current={key === shownKey.value ? "true" : undefined}
              onClick={() => {
                shownKey.value = key;
              }}
            >
              <span>{name}</span>
              <small>{stateText(state)}</small>
            </button>
            <button type="button" class="close" aria-label={text.close(name)} onClick={() => closeEntry(key)}>
              ×
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The list is short on narrow screens. */
function showInList(item: HTMLElement | null): void {
  item?.scrollIntoView({ block: "nearest" });
}

function stateText(state: ModelEntry["state"]): string {
  const { opening, refused, choose } = strings.models;
  if (state.kind === "opening") return opening;
  if (state.kind === "refused") return refused;
  if (state.kind === "choices") return choose;
  return `${state.model.variant}, ${byteQuantity(state.model.fileByteLength)}`;
}
