import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { CellsPicture } from "./cells-picture.tsx";
import type { Colour } from "./colours.ts";

interface StripProps {
  readonly label: string;
  readonly values: ArrayLike<number>;
  colour(value: number): Colour;
  /** What the place and its value are, for the line below. */
  describe(place: number, value: number): string;
}

const HEIGHT = 28;

/** One colour for each place of a list. */
export function Strip({ label, values, colour, describe }: StripProps): JSX.Element {
  const cells = useMemo(
    () => ({ width: values.length, height: 1, values: Float32Array.from(values) }),
    [values],
  );
  return (
    <CellsPicture
      label={label}
      cells={cells}
      height={HEIGHT}
      colour={colour}
      describe={(place) => describe(place, values[place] ?? 0)}
    />
  );
}
