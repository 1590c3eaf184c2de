import type { JSX } from "preact";
import type { Choice } from "../host/locations.ts";
import { openInPlace } from "../state/models.ts";
import { strings } from "../strings.ts";
import { byteQuantity } from "../ui/quantity.ts";

interface ChoicesProps {
  /** The place in the list of models that the chosen one takes. */
  readonly place: number;
  readonly choices: readonly Choice[];
}

/** An address that may mean several models: a person chooses one. */
export function Choices({ place, choices }: ChoicesProps): JSX.Element {
  const text = strings.choices;
  return (
    <section>
      <h2>{text.title(choices.length)}</h2>
      <ul class="choices" aria-label={text.list}>
        {choices.map(({ label, byteLength, request }) => (
          <li key={label}>
            <button type="button" onClick={() => openInPlace(place, request)}>
              {label}
            </button>{" "}
            <span class="quiet">{byteLength === undefined ? "" : byteQuantity(byteLength)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
