/** f32 rows of one weight, encoded and measured. */
import { encoderOf } from "../../model/encodings.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { type Band, rowsOf, rowUnits } from "../bands.ts";
import type { ErrorMeter } from "../error-meter.ts";
import type { MatrixGuide } from "../guides.ts";
import { isMeasured } from "../measured.ts";
import { solvedErrors } from "../solve-rows.ts";
import type { WorkArea } from "../work-area.ts";
import { guidedBlocks } from "./guided-blocks.ts";

/** Some rows of a band on their way into the output. */
export interface RowsToEncode {
  readonly values: Float32Array;
  /** Rows of the weight. */
  readonly rows: Band;
  /** First row of the band. */
  readonly bandStart: number;
  /** Where the new bytes of the band begin in the memory for them. */
  readonly outStart: number;
  readonly area: WorkArea;
  readonly meter: ErrorMeter | undefined;
  readonly here: MatrixGuide;
}

/** Encodes rows of a weight into the memory for new bytes. Where values change, the meter gets them decoded again. */
export function rowEncoder(task: PlanTensor): (given: RowsToEncode) => void {
  const rows = rowsOf(task.shape);
  const { unitByteLength } = rowUnits(task, rows);
  const codec = encoderOf(task.to, { tensor: task.name });
  const decodes = isMeasured(task);

  /** Rows as plain rounding would store them. */
  function rounded(values: Float32Array): Float32Array {
    const bytes = new Uint8Array((values.length / rows.length) * unitByteLength);
    const back = new Float32Array(values.length);
    codec.quantize(values, rows.length, bytes);
    codec.dequantize(bytes, back);
    return back;
  }

  return ({ values, rows: band, bandStart, outStart, area, meter, here }) => {
    const [first, last] = [band.start - bandStart, band.end - bandStart];
    const out = area.bytes("out", outStart + first * unitByteLength, outStart + last * unitByteLength);
    guidedBlocks(codec, values, rows.length, out, here);
    if (meter === undefined) return;
    if (!decodes) {
      meter.look(values, first * rows.length);
      return;
    }
    const back = area.floats("decoded", values.length);
    codec.dequantize(out, back);
    meter.add(values, back);
    meter.addOutput(solvedErrors({ values, solved: back, band, shape: task.shape }, here, rounded));
  };
}
