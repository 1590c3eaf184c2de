import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { refusalFrom } from "../host/client.ts";
import type { Refusal } from "../host/protocol.ts";
import { strings } from "../strings.ts";
import { Findings } from "../views/findings.tsx";

/** A view whose code is loaded when it is first shown. */
export function lazyView<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined;
  return function Lazy(props: Props): JSX.Element {
    const [refusal, setRefusal] = useState<Refusal | undefined>(undefined);
    const [View, setView] = useState(() => loaded);
    useEffect(() => {
      if (View !== undefined) return;
      load().then(
        (view) => {
          loaded = view;
          setView(() => view);
        },
        (error: unknown) => setRefusal(refusalFrom(error)),
      );
    }, [View]);
    if (refusal !== undefined) return <Findings findings={[refusal]} />;
    return View === undefined ? <p role="status">{strings.loadingView}</p> : <View {...props} />;
  };
}
