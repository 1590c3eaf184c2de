import { elementCount } from "@requant/core";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, refusalFrom } from "../../host/client.ts";
import type { OpenedModel } from "../../host/methods/open.ts";
import type { TensorFigures } from "../../host/methods/tensor-figures.ts";
import type { Refusal } from "../../host/protocol.ts";
import { shownTab } from "../../state/tabs.ts";
import { chosenTensors, showTensor } from "../../state/tensor.ts";
import { strings } from "../../strings.ts";
import { byteQuantity, shapeText } from "../../ui/quantity.ts";
import { Findings } from "../findings.tsx";
import { BitMix } from "./bit-mix.tsx";
import { Codes } from "./codes.tsx";
import { Columns } from "./columns.tsx";
import { HeatMap } from "./heat/heat-map.tsx";
import { Scales } from "./scales.tsx";
import { Values } from "./values.tsx";

type ModelTensor = OpenedModel["tensors"][number];

/** Tensors of at most so many bytes are read as soon as they are shown. */
const READ_AT_ONCE = 16 * 1024 * 1024;

/** One tensor: a heat map, and what its values, codes and scales are. */
export function TensorView({ model }: { readonly model: OpenedModel }): JSX.Element {
  const text = strings.tensor;
  const name = chosenTensors.value.get(model.id);
  const index = model.tensors.findIndex((tensor) => tensor.name === name);
  const tensor = model.tensors[index];
  if (tensor === undefined) {
    return (
      <section>
        <p>{text.none}</p>
        <button
          type="button"
          onClick={() => {
            shownTab.value = "tensors";
          }}
        >
          {text.toTensors}
        </button>
      </section>
    );
  }
  const step = (by: number): void => {
    const next = model.tensors[index + by];
    if (next !== undefined) showTensor(model.id, next.name);
  };
  return (
    <article class="tensor">
      <Head tensor={tensor} />
      <p class="row">
        <button type="button" disabled={index === 0} onClick={() => step(-1)}>
          {text.previous}
        </button>
        <button type="button" disabled={index === model.tensors.length - 1} onClick={() => step(1)}>
          {text.next}
        </button>
      </p>
      <HeatMap key={`map ${tensor.name}`} modelId={model.id} tensor={tensor} />
      <Figures key={`figures ${tensor.name}`} modelId={model.id} tensor={tensor} />
    </article>
  );
}

/** Gets the focus when a person came here by the keyboard from a list that is not there any more. */
function Head({ tensor }: { readonly tensor: ModelTensor }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) heading.current?.focus();
  }, []);
  const count = elementCount(tensor.shape);
  const facts = [
    tensor.encoding,
    shapeText(tensor.shape),
    byteQuantity(tensor.byteLength),
    `${(count === 0 ? 0 : (tensor.byteLength * 8) / count).toFixed(3)} ${strings.overview.bitsPerWeight.toLowerCase()}`,
    tensor.file,
  ];
  return (
    <>
      <h2 ref={heading} tabIndex={-1} class="tensor-name">
        <code>{tensor.name}</code>
      </h2>
      <p class="quiet">{facts.join(" · ")}</p>
    </>
  );
}

type Reading =
  | { readonly kind: "waiting" }
  | { readonly kind: "reading"; readonly abort: AbortController; readonly share: number }
  | { readonly kind: "stopped" }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "done"; readonly figures: TensorFigures };

interface FiguresProps {
  readonly modelId: number;
  readonly tensor: ModelTensor;
}

/** What takes all of the tensor: at once where it is small, else when a person asks for it. */
function Figures({ modelId, tensor }: FiguresProps): JSX.Element {
  const text = strings.tensor;
  const [state, setState] = useState<Reading>({ kind: "waiting" });
  const running = useRef<AbortController | undefined>(undefined);
  const read = async (): Promise<void> => {
    const abort = new AbortController();
    running.current = abort;
    const show = (next: Reading): void => {
      if (running.current === abort) setState(next);
    };
    show({ kind: "reading", abort, share: 0 });
    try {
      const input = { id: modelId, name: tensor.name };
      const onProgress = (share: unknown): void => show({ kind: "reading", abort, share: Number(share) });
      show({
        kind: "done",
        figures: await call("tensorFigures", input, { signal: abort.signal, onProgress }),
      });
    } catch (error) {
      const refusal = refusalFrom(error);
      show(refusal.isStopped ? { kind: "stopped" } : { kind: "refused", refusal });
    }
  };
  useEffect(() => {
    if (tensor.byteLength <= READ_AT_ONCE) void read();
    return () => {
      const { current } = running;
      running.current = undefined;
      current?.abort();
    };
  }, []);
  switch (state.kind) {
    case "reading":
      return (
        <p class="row">
          <progress value={state.share} aria-label={text.reading} /> {text.reading}{" "}
          <button type="button" onClick={() => state.abort.abort()}>
            {strings.stop}
          </button>
        </p>
      );
    case "refused":
      return <Findings findings={[state.refusal]} />;
    case "done":
      return <Sections figures={state.figures} />;
    default:
      return (
        <p class="row">
          <button type="button" onClick={() => void read()}>
            {text.read(byteQuantity(tensor.byteLength))}
          </button>
          {state.kind === "stopped" ? <span role="status">{text.stopped}</span> : null}
        </p>
      );
  }
}

function Sections({ figures }: { readonly figures: TensorFigures }): JSX.Element {
  const { statistics, columns, stored } = figures;
  return (
    <div class="sections">
      <Values statistics={statistics} />
      <Codes stored={stored} />
      <Columns columns={columns} />
      {"reason" in stored ? null : (
        <>
          <Scales stored={stored} />
          {stored.bitsOfColumn === undefined ? null : (
            <BitMix scales={stored.scales} bitsOfColumn={stored.bitsOfColumn} />
          )}
        </>
      )}
    </div>
  );
}
