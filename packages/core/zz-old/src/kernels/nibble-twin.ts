/** The SIMD twin of `view/nibble-weight.ts`. */
import { checkRows, checkValueCount } from "../view/integer-view.ts";
import * as reference from "../view/nibble-weight.ts";
import { dequantizeNibbles } from "./nibble-groups.ts";

/**
 * An opened weight of four-bit codes, two in a byte with the even column in the low bits, each row in bytes of its own: MXFP4
 * and NVFP4 as most tools store them. value = scale × level[code].
 * @throws UsageError when the sizes do not belong together
 */
export function nibbleLevelWeight(
  parameters: reference.NibbleParameters,
  bytes: Uint8Array,
): reference.NibbleWeight {
  const weight = reference.nibbleLevelWeight(parameters, bytes);
  return {
    ...weight,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, weight.rows);
      checkValueCount(rowEnd - rowStart, weight.columns, out.length);
      if (!dequantizeNibbles(parameters, bytes, rowStart, out)) weight.dequantize(rowStart, rowEnd, out);
    },
  };
}
