import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Colour, paint } from "./colours.ts";

interface LegendProps {
  readonly label: string;
  /** Written below the bar, at equal distances. */
  readonly ticks: readonly string[];
  /** @param share 0 at the left, 1 at the right */
  colour(share: number): Colour;
}

const STEPS = 128;

/** What the colours of a picture mean. */
export function Legend({ label, ticks, colour }: LegendProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context === null || context === undefined) return;
    const image = context.createImageData(STEPS, 1);
    for (let step = 0; step < STEPS; step++) paint(image.data, step * 4, colour(step / (STEPS - 1)));
    context.putImageData(image, 0, 0);
  }, [colour]);
  return (
    <div class="colour-legend">
      <span>{label}</span>
      <div>
        <canvas
          ref={canvas}
          width={STEPS}
          height={1}
          role="img"
          aria-label={`${label}: ${ticks.join(", ")}`}
        />
        <div class="colour-ticks">
          {ticks.map((tick, index) => (
            <span key={String(index)}>{tick}</span>
          ))}
        </div>
      </div>
    </div>
  );
}
