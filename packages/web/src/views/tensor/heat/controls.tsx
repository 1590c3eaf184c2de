import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { strings } from "../../../strings.ts";
import type { Place } from "./moves.ts";
import { LEAST_ZOOM, MOST_ZOOM, pixelsPerWeight, stepOf, type Viewport } from "./viewport.ts";

interface ControlsProps {
  readonly view: Viewport | undefined;
  readonly cursor: Place;
  readonly limit: number;
  onZoom(steps: number): void;
  onWhole(): void;
  /** By parts of what is seen. */
  onMove(across: number, down: number): void;
  onCursor(place: Place): void;
  onLimit(limit: number): void;
}

const text = strings.tensor.heat;

/** Which way each button moves: parts of what is seen, across and down. */
const arrows = [
  ["←", text.left, -0.5, 0],
  ["↑", text.up, 0, -0.5],
  ["↓", text.down, 0, 0.5],
  ["→", text.right, 0.5, 0],
] as const;

/** Buttons and fields for what can also be done with mouse and keys. */
export function Controls(props: ControlsProps): JSX.Element {
  const { view, cursor, limit, onZoom, onWhole, onMove, onCursor, onLimit } = props;
  const zoom = view?.zoom ?? 0;
  return (
    <div class="row controls">
      <span class="joined">
        <button
          type="button"
          aria-label={text.zoomOut}
          disabled={zoom <= LEAST_ZOOM}
          onClick={() => onZoom(-1)}
        >
          −
        </button>
        <button type="button" aria-label={text.zoomIn} disabled={zoom >= MOST_ZOOM} onClick={() => onZoom(1)}>
          +
        </button>
      </span>
      <button type="button" onClick={onWhole}>
        {text.whole}
      </button>
      <span class="joined">
        {arrows.map(([sign, label, across, down]) => (
          <button key={label} type="button" aria-label={label} onClick={() => onMove(across, down)}>
            {sign}
          </button>
        ))}
      </span>
      <NumberField label={text.row} value={cursor.row} onNumber={(row) => onCursor({ ...cursor, row })} />
      <NumberField
        label={text.column}
        value={cursor.column}
        onNumber={(column) => onCursor({ ...cursor, column })}
      />
      <NumberField label={text.limit} value={limit} isPositive onNumber={onLimit} />
      <span class="quiet">
        {view === undefined
          ? ""
          : zoom >= 0
            ? text.pixels(pixelsPerWeight(view))
            : text.weights(stepOf(view))}
      </span>
    </div>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  /** Fractions too, but nothing below or at 0; else whole numbers from 0 on. */
  readonly isPositive?: boolean;
  onNumber(value: number): void;
}

function NumberField({ label, value, isPositive = false, onNumber }: NumberFieldProps): JSX.Element {
  const id = useId();
  // what is being typed stays while rows come in and the page is drawn again
  const [draft, setDraft] = useState<string | undefined>(undefined);
  return (
    <span class="number-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        min={0}
        step={isPositive ? "any" : 1}
        value={draft ?? String(value)}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        onChange={({ currentTarget }) => {
          const number = currentTarget.valueAsNumber;
          const isAllowed = isPositive ? number > 0 : Number.isSafeInteger(number) && number >= 0;
          if (isAllowed) onNumber(number);
          setDraft(undefined);
        }}
      />
    </span>
  );
}
