/** A fault that does not keep a model from being read, or what is good to know about it. */
export interface ModelWarning {
  readonly code: string;
  /** One sentence. */
  readonly message: string;
  readonly tensor?: string;
}
