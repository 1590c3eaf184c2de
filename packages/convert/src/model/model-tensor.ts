import type { TensorInfo } from "@requant/core";
import type { StoredLinear } from "@requant/core/format";

/** A weight as the model's own names call it. */
export interface ModelTensor extends TensorInfo {
  /** The file that holds it. */
  readonly file: string;
  /** Set where several stored tensors make the weight; its byte length is then the sum of theirs. */
  readonly linear?: StoredLinear | undefined;
  /** The format that says that the bytes are blocks of this encoding, where the file says otherwise. */
  readonly blocksOf?: string | undefined;
  /** The tensor whose numbers the values are multiplied by. */
  readonly scaledBy?: string | undefined;
  /** The weight that this tensor is a scale of: it is no weight itself. */
  readonly partOf?: string | undefined;
  /** Set where a checkpoint of floats has the stack under another name, each matrix transposed. */
  readonly transposedAs?: string | undefined;
}
