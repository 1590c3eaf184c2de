import type { TensorStatistics } from "@requant/convert";
import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import { strings } from "../../strings.ts";
import { Bars } from "../../ui/bars.tsx";
import { figure } from "../../ui/quantity.ts";
import { Numbers } from "./numbers.tsx";

export function percent(count: number, all: number): string {
  return all === 0 ? "" : `${((count / all) * 100).toFixed(count > 0 && count / all < 0.001 ? 4 : 2)} %`;
}

/** Statistics and a histogram of the values. */
export function Values({ statistics }: { readonly statistics: TensorStatistics }): JSX.Element {
  const text = strings.tensor.values;
  const { histogram, count } = statistics;
  const [isLogarithmic, setLogarithmic] = useState(false);
  const id = useId();
  const step = (histogram.end - histogram.start) / histogram.counts.length;
  const edge = (index: number): number => histogram.start + index * step;
  const positions = useMemo(
    () => histogram.counts.map((_, index) => edge(index) + (step === 0 ? index : step / 2)),
    [histogram],
  );
  const names = Object.keys(text.statistics) as (keyof typeof text.statistics)[];
  const hasValues = Number.isFinite(step);
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      <dl class="facts compact">
        {names.map((name) => (
          <div key={name}>
            <dt>{text.statistics[name]}</dt>
            <dd>{figure(statistics[name])}</dd>
          </div>
        ))}
      </dl>
      {hasValues ? (
        <>
          <p class="row">
            <input
              id={id}
              type="checkbox"
              checked={isLogarithmic}
              onChange={({ currentTarget }) => setLogarithmic(currentTarget.checked)}
            />
            <label for={id}>{text.logarithmic}</label>
          </p>
          <Bars
            label={text.histogram}
            positions={positions}
            counts={histogram.counts}
            isLogarithmic={isLogarithmic}
            describe={(index) =>
              `${figure(edge(index))} … ${figure(edge(index + 1))}: ${figure(histogram.counts[index] ?? 0)}`
            }
          />
          <Numbers
            caption={text.histogram}
            columns={[
              { name: text.from, isNumber: true },
              { name: text.to, isNumber: true },
              { name: text.count, isNumber: true },
              { name: text.share, isNumber: true },
            ]}
            rows={histogram.counts.map((bar, index) => [
              figure(edge(index)),
              figure(edge(index + 1)),
              figure(bar),
              percent(bar, count),
            ])}
          />
        </>
      ) : null}
    </section>
  );
}
