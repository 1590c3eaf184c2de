import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "./use-theme.ts";
import { useWidth } from "./use-width.ts";

interface BarsProps {
  readonly label: string;
  /** The middle of each bar, at equal distances. */
  readonly positions: readonly number[];
  readonly counts: readonly number[];
  readonly isLogarithmic?: boolean;
  /** Bars of height 0 get a mark. */
  readonly marksEmpty?: boolean;
  /** What a bar is, for the line below. */
  describe(index: number): string;
}

const HEIGHT = 200;
const WHOLE_STEPS = [1, 2, 4, 8, 16, 32, 64];

function colourNamed(name: string): string {
  // light-dark() is resolved in the colour of an element only
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A histogram. What the pointer is on is written below it; the numbers stand in a table beside it. */
export function Bars(props: BarsProps): JSX.Element {
  const { label, positions, counts, isLogarithmic = false, marksEmpty = false, describe } = props;
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const theme = useTheme();
  const [pointed, setPointed] = useState<number | undefined>(undefined);
  useEffect(() => {
    const { current } = place;
    if (current === null || width === 0 || positions.length === 0) return;
    const colours = {
      bar: colourNamed("--accent"),
      ink: colourNamed("--quiet"),
      line: colourNamed("--line"),
      mark: colourNamed("--warning"),
    };
    const isWhole = positions.every((position) => Number.isInteger(position));
    const step = positions.length > 1 ? (positions[1] ?? 0) - (positions[0] ?? 0) : 1;
    const first = (positions[0] ?? 0) - step / 2;
    const last = (positions.at(-1) ?? 0) + step / 2;
    const heights = counts.map((count) => (isLogarithmic ? Math.log10(count + 1) : count));
    const top = heights.reduce((most, height) => Math.max(most, height), 0) || 1;
    const axis = {
      stroke: colours.ink,
      grid: { stroke: colours.line, width: 1 },
      ticks: { stroke: colours.line, width: 1, size: 4 },
    };
    const chart = new UPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
        scales: { x: { time: false, range: [first, last] }, y: { range: [0, top * 1.05] } },
        axes: [
          { ...axis, grid: { show: false }, size: 30, ...(isWhole ? { incrs: WHOLE_STEPS } : {}) },
          {
            ...axis,
            size: 52,
            ...(isLogarithmic ? { splits: () => logarithmicSplits(top) } : {}),
            values: (_, splits) =>
              splits.map((split) => short.format(isLogarithmic ? Math.round(10 ** split - 1) : split)),
          },
        ],
        series: [
          {},
          { fill: colours.bar, stroke: colours.bar, width: 0, points: { show: false }, paths: barPaths() },
          {
            paths: () => null,
            points: { show: true, size: 7, width: 0, fill: colours.mark, stroke: colours.mark },
          },
        ],
        hooks: { setCursor: [({ cursor }) => setPointed(cursor.idx ?? undefined)] },
      },
      [[...positions], heights, counts.map((count) => (marksEmpty && count === 0 ? 0 : null))],
      current,
    );
    return () => chart.destroy();
  }, [positions, counts, isLogarithmic, marksEmpty, width, theme]);
  return (
    <>
      <div ref={place} role="img" aria-label={label} class="bars" />
      <p class="pointed">{pointed === undefined ? "" : describe(pointed)}</p>
    </>
  );
}

/** Where 0, 1, 10, 100 … stand. */
function logarithmicSplits(top: number): number[] {
  const splits = [0];
  for (let count = 1; Math.log10(count + 1) <= top; count *= 10) splits.push(Math.log10(count + 1));
  return splits;
}

function barPaths(): UPlot.Series.PathBuilder {
  const { bars } = UPlot.paths;
  if (bars === undefined) throw new Error("uPlot draws no bars.");
  return bars({ size: [0.9, Number.POSITIVE_INFINITY], gap: 0 });
}
