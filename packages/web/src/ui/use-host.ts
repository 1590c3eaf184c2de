import { useEffect, useState } from "preact/hooks";
import { call, refusalFrom } from "../host/client.ts";
import type { MethodInput, MethodName, MethodOutput, Refusal } from "../host/protocol.ts";

export type HostAnswer<T> =
  | { readonly kind: "waiting" }
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What the host answers; asked again when `input` is another value, and no longer waited for when the view goes. */
export function useHost<K extends MethodName>(name: K, input: MethodInput<K>): HostAnswer<MethodOutput<K>> {
  const [answer, setAnswer] = useState<HostAnswer<MethodOutput<K>>>({ kind: "waiting" });
  const key = JSON.stringify(input);
  useEffect(() => {
    const abort = new AbortController();
    setAnswer({ kind: "waiting" });
    call(name, input, { signal: abort.signal }).then(
      (value) => {
        if (!abort.signal.aborted) setAnswer({ kind: "done", value });
      },
      (error: unknown) => {
        const refusal = refusalFrom(error);
        if (!refusal.isStopped) setAnswer({ kind: "refused", refusal });
      },
    );
    return () => abort.abort();
    // the text stands for the input, which is a new object each time
  }, [name, key]);
  return answer;
}
