/** A fact that both the tensors and the config tell. The tensors are right. */
export interface MeasuredFact {
  readonly label: string;
  readonly measured: string | number | boolean;
  /** As the config or the metadata says; undefined where they say nothing. */
  readonly claimed: string | number | boolean | undefined;
  readonly agrees: boolean;
}
