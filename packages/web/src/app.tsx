import type { ComponentType, JSX } from "preact";
import { useState } from "preact/hooks";
import type { OpenedModel } from "./host/methods/open.ts";
import { droppedFiles, requestsOf } from "./open/chosen-files.ts";
import { entries, openAll, shownEntry } from "./state/models.ts";
import { shownTab, type TabName, tabNames } from "./state/tabs.ts";
import { strings } from "./strings.ts";
import { lazyView } from "./ui/lazy-view.tsx";
import { Choices } from "./views/choices.tsx";
import { Findings } from "./views/findings.tsx";
import { ModelList } from "./views/model-list.tsx";
import { OpenBar } from "./views/open-bar.tsx";
import { Overview } from "./views/overview.tsx";
import { Tensors } from "./views/tensors.tsx";

/** What each tab shows of the model. */
const tabs: Readonly<Record<TabName, ComponentType<{ readonly model: OpenedModel }>>> = {
  overview: Overview,
  tensors: Tensors,
  pictures: lazyView(async () => (await import("./views/pictures.tsx")).Pictures),
  tensor: lazyView(async () => (await import("./views/tensor/tensor.tsx")).TensorView),
  metadata: lazyView(async () => (await import("./views/metadata/metadata.tsx")).Metadata),
  tokens: lazyView(async () => (await import("./views/tokens.tsx")).Tokens),
  compare: lazyView(async () => (await import("./views/compare.tsx")).Compare),
  convert: lazyView(async () => (await import("./views/convert/convert.tsx")).Convert),
};

/** The whole page. Files can be dropped anywhere. */
export function App(): JSX.Element {
  const [isOver, setOver] = useState(false);
  const drop = async (event: DragEvent): Promise<void> => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer === null) return;
    const text = event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text/plain");
    const files = await droppedFiles(event.dataTransfer);
    if (files.length > 0) openAll(requestsOf(files));
    else if (text.trim() !== "") openAll([{ kind: "address", text: text.trim() }]);
  };
  return (
    <div
      class={isOver ? "page over" : "page"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => void drop(event)}
    >
      <header>
        <h1>{strings.title}</h1>
        <OpenBar />
      </header>
      <div class="columns">
        <ModelList />
        <main>{entries.value.length === 0 ? <Welcome /> : <Shown />}</main>
      </div>
      {isOver ? <div class="drop-now">{strings.open.dropNow}</div> : null}
    </div>
  );
}

function Welcome(): JSX.Element {
  return (
    <section class="welcome">
      <p>{strings.about}</p>
      <p class="quiet">{strings.open.drop}</p>
    </section>
  );
}

function Shown(): JSX.Element | null {
  const entry = shownEntry.value;
  if (entry === undefined) return null;
  const { name, state } = entry;
  if (state.kind === "opening") {
    return (
      <p role="status">
        {strings.models.opening} {name}
      </p>
    );
  }
  if (state.kind === "refused") return <Findings findings={[state.refusal]} />;
  if (state.kind === "choices") return <Choices place={entry.key} choices={state.choices} />;
  const View = tabs[shownTab.value];
  return (
    <>
      <h2 class="model-title">{name}</h2>
      <Tabs />
      <div role="tabpanel" id="panel" aria-labelledby={`tab-${shownTab.value}`} tabIndex={-1} class="panel">
        <View key={entry.key} model={state.model} />
      </div>
    </>
  );
}

function Tabs(): JSX.Element {
  const show = (name: TabName): void => {
    shownTab.value = name;
    document.getElementById(`tab-${name}`)?.focus();
  };
  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const index = (tabNames.indexOf(shownTab.value) + step + tabNames.length) % tabNames.length;
    show(tabNames[index] ?? "overview");
  };
  return (
    <div role="tablist" aria-label={strings.tabs.list} class="tabs" onKeyDown={move}>
      {tabNames.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`tab-${name}`}
          aria-controls="panel"
          aria-selected={name === shownTab.value}
          tabIndex={name === shownTab.value ? 0 : -1}
          onClick={() => show(name)}
        >
          {strings.tabs[name]}
        </button>
      ))}
    </div>
  );
}
