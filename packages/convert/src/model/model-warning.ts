/** A fault that does not keep the model from being read. */
export interface ModelWarning {
  readonly code: string;
  /** One sentence. */
  readonly message: string;
  readonly tensor?: string;
}
