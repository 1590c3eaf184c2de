import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { CodeCounts } from "../../host/figures/codes.ts";
import type { NoCodes, StoredCodes } from "../../host/figures/stored-codes.ts";
import { strings } from "../../strings.ts";
import { Bars } from "../../ui/bars.tsx";
import { figure } from "../../ui/quantity.ts";
import { Numbers } from "./numbers.tsx";
import { percent } from "./values.tsx";

/** Histograms of the codes; unused ones are marked. */
export function Codes({ stored }: { readonly stored: StoredCodes | NoCodes }): JSX.Element {
  const text = strings.tensor.codes;
  return (
    <section aria-label={text.title}>
      <h3>{text.title}</h3>
      {"reason" in stored ? (
        <p class="quiet">{text.none(stored.reason ?? text.noWeights)}</p>
      ) : (
        stored.codes.map((codes) => <OneWidth key={String(codes.bits)} codes={codes} />)
      )}
    </section>
  );
}

const MOST_NAMED = 16;

function OneWidth({ codes: { bits, counts, levels } }: { readonly codes: CodeCounts }): JSX.Element {
  const text = strings.tensor.codes;
  const title = bits === undefined ? text.histogram : text.histogramOfWidth(bits);
  const unused = counts.flatMap((count, code) => (count === 0 ? [code] : []));
  const named = unused.slice(0, MOST_NAMED).join(", ") + (unused.length > MOST_NAMED ? ", …" : "");
  const all = counts.reduce((sum, count) => sum + count, 0);
  const positions = useMemo(() => counts.map((_, code) => code), [counts]);
  return (
    <>
      {bits === undefined ? null : <h4>{title}</h4>}
      <p>{text.used(counts.length - unused.length, counts.length, named)}</p>
      <Bars
        label={title}
        positions={positions}
        counts={counts}
        marksEmpty
        describe={(code) => `${text.code} ${String(code)}: ${figure(counts[code] ?? 0)}`}
      />
      <Numbers
        caption={title}
        columns={[
          { name: text.code, isNumber: true },
          ...(levels === undefined ? [] : [{ name: text.level, isNumber: true }]),
          { name: text.count, isNumber: true },
          { name: text.share, isNumber: true },
        ]}
        rows={counts.map((count, code) => [
          String(code),
          ...(levels === undefined ? [] : [figure(levels[code] ?? 0)]),
          figure(count),
          percent(count, all),
        ])}
      />
    </>
  );
}
