import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Conversion } from "../../state/conversion.ts";
import { freeRoom, stored } from "../../state/stored-outputs.ts";
import { canChooseFolder, chooseFolder } from "../../storage/save-file.ts";
import { strings } from "../../strings.ts";
import { Group, Switch, TextField } from "../../ui/labelled.tsx";
import { byteQuantity } from "../../ui/quantity.ts";

/** Where the output goes, and the buttons that start, go on and stop. */
export function Output({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.output;
  const planned = conversion.plan.value;
  const name = planned.kind === "planned" ? planned.plan.name : "";
  const needed = planned.kind === "planned" ? planned.plan.byteLength : 0;
  const isRunning = conversion.run.value.kind === "running";
  const place = conversion.place.value;
  const isReady = planned.kind === "planned" && !conversion.planning.value && !isRunning;
  const canResume =
    place.kind === "storage" && stored.value.some((output) => output.name === name && output.isUnfinished);
  return (
    <Group title={text.title}>
      <TextField
        label={text.name}
        placeholder={name}
        value={conversion.choices.value.name}
        onText={(value) => conversion.choose({ name: value })}
      />
      {canChooseFolder ? <Places conversion={conversion} /> : <p class="quiet small">{text.storage}</p>}
      <TextField
        label={text.workers}
        inputMode="numeric"
        value={String(conversion.jobs.value)}
        onText={(value) => {
          conversion.jobs.value = Math.max(1, Math.floor(Number(value)) || 1);
        }}
      />
      {place.kind === "storage" && needed > (freeRoom.value ?? needed) ? (
        <p class="small warning-text" role="status">
          {text.noRoom(byteQuantity(needed), byteQuantity(freeRoom.value ?? 0))}
        </p>
      ) : null}
      {canResume && !isRunning ? <p class="quiet small">{text.unfinished}</p> : null}
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={!isReady}
          onClick={() => void conversion.start({ resume: false })}
        >
          {text.convert}
        </button>
        {canResume ? (
          <button type="button" disabled={!isReady} onClick={() => void conversion.start({ resume: true })}>
            {text.resume}
          </button>
        ) : null}
        {isRunning ? (
          <button type="button" onClick={() => conversion.stop()}>
            {strings.stop}
          </button>
        ) : null}
      </div>
    </Group>
  );
}

function Places({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.output;
  const group = useId();
  const place = conversion.place.value;
  const choose = async (): Promise<void> => {
    const handle = await chooseFolder();
    if (handle !== undefined) conversion.place.value = { kind: "folder", handle };
  };
  return (
    <div role="radiogroup" aria-label={text.title} class="places">
      <div class="switch">
        <input
          id={`${group}-storage`}
          type="radio"
          name={group}
          checked={place.kind === "storage"}
          onChange={() => {
            conversion.place.value = { kind: "storage" };
          }}
        />
        <label for={`${group}-storage`}>{text.storage}</label>
        {freeRoom.value === undefined ? null : <small>{text.room(byteQuantity(freeRoom.value))}</small>}
      </div>
      <div class="switch">
        <input
          id={`${group}-folder`}
          type="radio"
          name={group}
          checked={place.kind === "folder"}
          onClick={(event) => {
            if (place.kind !== "folder") event.preventDefault();
            void choose();
          }}
        />
        <label for={`${group}-folder`}>{text.folder}</label>
        {place.kind === "folder" ? <small>{place.handle.name}</small> : null}
      </div>
      {place.kind === "folder" ? (
        <Switch
          label={text.overwrite}
          checked={conversion.overwrite.value}
          onSwitch={(checked) => {
            conversion.overwrite.value = checked;
          }}
        />
      ) : null}
    </div>
  );
}
