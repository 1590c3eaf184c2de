import type { JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { call, refusalFrom } from "../../host/client.ts";
import type { MemoryEstimate } from "../../host/methods/memory.ts";
import type { OpenedModel } from "../../host/methods/open.ts";
import type { Refusal } from "../../host/protocol.ts";
import type { Conversion } from "../../state/conversion.ts";
import { targets } from "../../state/targets.ts";
import { strings } from "../../strings.ts";
import { Chooser, TextField } from "../../ui/labelled.tsx";
import { binaryQuantity, byteQuantity } from "../../ui/quantity.ts";
import { Table } from "../../ui/table.tsx";
import { Findings } from "../findings.tsx";

interface MemoryProps {
  readonly model: OpenedModel;
  readonly conversion: Conversion;
}

/** The longest context of the slider, unless the model has a longer one. */
const MOST_TOKENS = 131_072;
/** Each step of the slider is a quarter of a doubling. */
const FIRST_STEP = 36;

function tokensAt(step: number): number {
  return Math.round(2 ** (step / 4) / 64) * 64;
}

function longestContext(model: OpenedModel): number {
  const { value } = model.facts.find(({ label }) => label === "context length") ?? {};
  return typeof value === "number" ? value : 0;
}

/** What the weights take with a context, and which targets fit into a memory. */
export function Memory({ model, conversion }: MemoryProps): JSX.Element {
  const text = strings.convert.memory;
  const id = useId();
  const last = Math.ceil(Math.log2(Math.max(longestContext(model), MOST_TOKENS)) * 4);
  const [step, setStep] = useState(13 * 4);
  const [kv, setKv] = useState("f16");
  const [limit, setLimit] = useState("");
  const [estimate, setEstimate] = useState<MemoryEstimate | undefined>(undefined);
  const [refusal, setRefusal] = useState<Refusal | undefined>(undefined);
  const tokens = tokensAt(step);
  useEffect(() => {
    let isCurrent = true;
    call("memory", { id: model.id, tokens, kv, limit }).then(
      (value) => {
        if (!isCurrent) return;
        setEstimate(value);
        setRefusal(undefined);
      },
      (error: unknown) => {
        if (isCurrent) setRefusal(refusalFrom(error));
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [model.id, tokens, kv, limit]);
  const planned = conversion.plan.value;
  const weights = planned.kind === "planned" ? planned.plan.byteLength : model.tensorByteLength;
  return (
    <section aria-label={text.title} class="memory">
      <h3>{text.title}</h3>
      <div class="memory-fields">
        <div class="field">
          <label for={id}>{text.context}</label>
          <span class="slider">
            <input
              id={id}
              type="range"
              min={FIRST_STEP}
              max={last}
              value={step}
              aria-valuetext={text.tokens(tokens)}
              onInput={({ currentTarget }) => setStep(Number(currentTarget.value))}
            />
            <output for={id}>{text.tokens(tokens)}</output>
          </span>
        </div>
        <Chooser
          label={text.kv}
          value={kv}
          options={(targets.value?.cacheTypes ?? ["f16"]).map((name) => [name, name])}
          onChoose={setKv}
        />
        <TextField label={text.limit} placeholder={text.limitHint} value={limit} onText={setLimit} />
      </div>
      {refusal === undefined ? null : <Findings findings={[refusal]} />}
      {estimate === undefined ? null : (
        <>
          <Together weights={weights} estimate={estimate} />
          <Fitting estimate={estimate} conversion={conversion} />
        </>
      )}
    </section>
  );
}

interface TogetherProps {
  readonly weights: number;
  readonly estimate: MemoryEstimate;
}

/** The weights and the context, side by side. */
function Together({ weights, estimate }: TogetherProps): JSX.Element {
  const text = strings.convert.memory;
  const { context } = estimate;
  const { layers } = context;
  return (
    <>
      <div class="bar" aria-hidden="true">
        <span class="part weights" style={{ flexGrow: Math.max(weights, 1) }} />
        <span class="part context" style={{ flexGrow: Math.max(context.byteLength, 1) }} />
      </div>
      <ul class="parts">
        <li>
          <span class="swatch weights" aria-hidden="true" />
          <strong>{text.weights}</strong> {byteQuantity(weights)}
        </li>
        <li>
          <span class="swatch context" aria-hidden="true" />
          <strong>{text.context}</strong> {byteQuantity(context.byteLength)}{" "}
          <span class="quiet">{text.perToken(binaryQuantity(context.bytesPerToken), context.kv)}</span>
        </li>
        <li>
          <strong>{text.total}</strong> {byteQuantity(weights + context.byteLength)}
        </li>
      </ul>
      <p class="quiet small">
        {layers === undefined
          ? text.estimated
          : text.layers(layers, byteQuantity(context.output + context.compute))}
      </p>
    </>
  );
}

interface FittingProps {
  readonly estimate: MemoryEstimate;
  readonly conversion: Conversion;
}

function Fitting({ estimate, conversion }: FittingProps): JSX.Element {
  const text = strings.convert.memory;
  const { choices, least, sources } = estimate;
  if (choices.length === 0) return <p role="status">{text.nothing(byteQuantity(least))}</p>;
  return (
    <details class="fitting">
      <summary>
        {text.fits} <small>{choices.length}</small>
      </summary>
      <Table
        caption={text.fits}
        columns={[
          { name: text.columns.target },
          { name: text.columns.size, isNumber: true },
          { name: text.columns.total, isNumber: true },
          { name: text.columns.bits, isNumber: true },
          { name: text.columns.perplexity, isNumber: true },
          { name: text.columns.calibrated, isNumber: true },
          { name: text.columns.divergence, isNumber: true },
        ]}
        rows={choices.map(({ target, byteLength, totalByteLength, bitsPerWeight, figures }) => {
          const increase = (calibrated: boolean): string => {
            const found = figures.find((one) => one.calibrated === calibrated);
            return found === undefined ? "" : `+${found.increase.toFixed(3)}`;
          };
          return [
            <button
              key={target}
              type="button"
              class="chip"
              aria-label={text.use(target)}
              onClick={() => conversion.choose({ target })}
            >
              {target}
            </button>,
            byteQuantity(byteLength),
            byteQuantity(totalByteLength ?? byteLength),
            bitsPerWeight.toFixed(2),
            increase(false),
            increase(true),
            figures.find(({ klDivergence }) => klDivergence !== undefined)?.klDivergence?.toFixed(4) ?? "",
          ];
        })}
      />
      <p class="quiet small">{text.figures}</p>
      <ul class="sources">
        {sources.map(({ title, url, about }) => (
          <li key={title}>
            {about}.{" "}
            <a href={url} rel="noreferrer" target="_blank">
              {title}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}
