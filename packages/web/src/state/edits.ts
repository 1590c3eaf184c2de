/** Changes of GGUF metadata that a person has noted and not written yet, for each open model. They outlive the views. */
import { type Signal, signal } from "@preact/signals";

/** A change of one key. */
export type KeyChange =
  /** `KEY=VALUE` or `KEY=TYPE:VALUE`. */
  { readonly kind: "set"; readonly assignment: string } | { readonly kind: "unset" };

export type KeyChanges = ReadonlyMap<string, KeyChange>;

const changes = new Map<number, Signal<KeyChanges>>();

export function changesOf(id: number): Signal<KeyChanges> {
  const known = changes.get(id) ?? signal<KeyChanges>(new Map());
  changes.set(id, known);
  return known;
}

export function noteChange(id: number, key: string, change: KeyChange | undefined): void {
  const own = changesOf(id);
  const next = new Map(own.value);
  if (change === undefined) next.delete(key);
  else next.set(key, change);
  own.value = next;
}
