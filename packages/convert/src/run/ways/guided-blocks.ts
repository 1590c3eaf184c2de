/** Rows of floats as blocks: rounded, searched, or solved with calibration statistics. */
import { calibratedBlocks } from "@requant/gguf";
import type { encoderOf } from "../../model/encodings.ts";
import type { MatrixGuide } from "../guides.ts";

/** Writes whole rows of `columns` numbers into `out`. */
export function guidedBlocks(
  codec: ReturnType<typeof encoderOf>,
  values: Float32Array,
  columns: number,
  out: Uint8Array,
  { importance, solve, searched }: MatrixGuide,
): void {
  if (solve === undefined && searched === undefined) codec.quantize(values, columns, out, importance);
  else calibratedBlocks(codec.name, values, columns, { importance, factor: solve?.factor }, out);
}
