/** The models that the page has opened, and which one it shows. */
import { computed, signal } from "@preact/signals";
import { call, refusalFrom } from "../host/client.ts";
import type { Choice } from "../host/locations.ts";
import type { OpenedModel } from "../host/methods/open.ts";
import type { Refusal } from "../host/protocol.ts";
import { type OpenRequest, requestName } from "../open/open-request.ts";
import { forgetComparisons } from "./comparisons.ts";
import { forgetConversion } from "./conversion.ts";
import { forgetExamination } from "./examinations.ts";

/** One place in the list of models. */
export interface ModelEntry {
  readonly key: number;
  readonly name: string;
  readonly request: OpenRequest;
  readonly state:
    | { readonly kind: "opening" }
    | { readonly kind: "open"; readonly model: OpenedModel }
    | { readonly kind: "choices"; readonly choices: readonly Choice[] }
    | { readonly kind: "refused"; readonly refusal: Refusal };
}

export const entries = signal<readonly ModelEntry[]>([]);
export const shownKey = signal<number | undefined>(undefined);

export const shownEntry = computed(() => entries.value.find(({ key }) => key === shownKey.value));

/** All models that are open. */
export const openEntries = computed(() =>
  entries.value.flatMap(({ key, name, state }) =>
    state.kind === "open" ? [{ key, name, model: state.model }] : [],
  ),
);

let lastKey = 0;
const opening = new Map<number, AbortController>();

/** Opens all of them at the same time, and shows the first. */
export function openAll(requests: readonly OpenRequest[]): void {
  for (const [index, request] of requests.entries()) {
    lastKey += 1;
    const key = lastKey;
    entries.value = [
      ...entries.value,
      { key, name: requestName(request), request, state: { kind: "opening" } },
    ];
    if (index === 0) shownKey.value = key;
    void openOne(key, request);
  }
}

async function openOne(key: number, request: OpenRequest): Promise<void> {
  const abort = new AbortController();
  opening.set(key, abort);
  try {
    setState(key, await call("openSource", request, { signal: abort.signal }));
  } catch (error) {
    const refusal = refusalFrom(error);
    if (!refusal.isStopped) setState(key, { kind: "refused", refusal });
  } finally {
    opening.delete(key);
  }
}

/** Opens what was chosen in the place of what had to be chosen from. */
export function openInPlace(key: number, request: OpenRequest): void {
  entries.value = entries.value.map((entry) =>
    entry.key === key ? { key, request, name: requestName(request), state: { kind: "opening" } } : entry,
  );
  void openOne(key, request);
}

function setState(key: number, state: ModelEntry["state"]): void {
  entries.value = entries.value.map((entry) => (entry.key === key ? { ...entry, state } : entry));
}

/** Closes a model, or stops its opening. */
export function closeEntry(key: number): void {
  opening.get(key)?.abort();
  const entry = entries.value.find((one) => one.key === key);
  if (entry?.state.kind === "open") {
    forgetConversion(entry.state.model.id);
    forgetExamination(entry.state.model.id);
    forgetComparisons(entry.state.model.id);
    void call("closeModel", { id: entry.state.model.id });
  }
  entries.value = entries.value.filter((one) => one.key !== key);
  if (shownKey.value === key) shownKey.value = entries.value.at(-1)?.key;
}
