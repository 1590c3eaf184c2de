import type { VerifiedTensor } from "@requant/convert";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { strings } from "../strings.ts";
import { figure } from "../ui/quantity.ts";

const FIELD = 14;
const GAP = 2;

/** One field a tensor, in the model's order; the table below has the same figures as text. */
export function ErrorMap({ tensors }: { readonly tensors: readonly VerifiedTensor[] }): JSX.Element {
  const text = strings.compare;
  const place = useRef<HTMLCanvasElement>(null);
  const worst = tensors.reduce((most, { relativeRmse }) => Math.max(most, finite(relativeRmse)), 0);
  useLayoutEffect(() => {
    const canvas = place.current;
    if (canvas === null) return;
    const draw = (): void => drawFields(canvas, tensors, worst);
    draw();
    const observer = new ResizeObserver(draw);
    if (canvas.parentElement !== null) observer.observe(canvas.parentElement);
    return () => observer.disconnect();
  }, [tensors, worst]);
  return (
    <figure class="error-map">
      <figcaption>
        {text.map}: 0 – {figure(worst)}. <span class="quiet">{text.mapAbout}</span>
      </figcaption>
      <canvas ref={place} role="img" aria-label={text.map} />
    </figure>
  );
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 1);

function drawFields(canvas: HTMLCanvasElement, tensors: readonly VerifiedTensor[], worst: number): void {
  const width = canvas.parentElement?.clientWidth ?? 600;
  const perRow = Math.max(1, Math.floor(width / (FIELD + GAP)));
  const rows = Math.ceil(tensors.length / perRow);
  const scale = globalThis.devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = rows * (FIELD + GAP) * scale;
  canvas.style.width = `${String(width)}px`;
  canvas.style.height = `${String(rows * (FIELD + GAP))}px`;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(scale, scale);
  for (const [index, { equal, relativeRmse }] of tensors.entries()) {
    const x = (index % perRow) * (FIELD + GAP);
    const y = Math.floor(index / perRow) * (FIELD + GAP);
    const share = worst === 0 ? 0 : Math.sqrt(finite(relativeRmse) / worst);
    context.fillStyle = equal ? "#8a93a144" : `hsl(24 85% ${String(88 - 58 * share)}%)`;
    context.fillRect(x, y, FIELD, FIELD);
  }
}
