import type { JSX } from "preact";
import { switches, typed } from "../../conversion/choices.ts";
import type { Conversion } from "../../state/conversion.ts";
import { strings } from "../../strings.ts";
import { Group, Switch, TextField } from "../../ui/labelled.tsx";

/** What else decides the output. What a target cannot use, the plan refuses. */
export function Options({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.options;
  const choices = conversion.choices.value;
  const isSized = choices.target.trim().toLowerCase().endsWith("auto");
  const fields = typed.filter((name) => name !== "size" || isSized || choices.size !== "");
  return (
    <Group title={text.title}>
      {switches.map((name) => {
        const [label, about] = text.switches[name];
        return (
          <Switch
            key={name}
            label={label}
            about={about}
            checked={choices[name]}
            onSwitch={(checked) => conversion.choose({ [name]: checked })}
          />
        );
      })}
      {fields.map((name) => {
        const [label, example] = text.typed[name];
        return (
          <TextField
            key={name}
            label={label}
            placeholder={example}
            value={choices[name]}
            onText={(value) => conversion.choose({ [name]: value })}
          />
        );
      })}
      <Imatrix conversion={conversion} />
    </Group>
  );
}

function Imatrix({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.options;
  const { imatrix } = conversion.choices.value;
  return (
    <div class="field">
      <span>{text.imatrix}</span>
      {imatrix === undefined ? (
        <label class="button">
          {text.chooseFile}
          <input
            type="file"
            class="hidden-input"
            aria-label={text.imatrix}
            accept=".gguf,.dat"
            onChange={({ currentTarget }) => conversion.choose({ imatrix: currentTarget.files?.[0] })}
          />
        </label>
      ) : (
        <span class="row">
          <code>{imatrix.name}</code>
          <button type="button" onClick={() => conversion.choose({ imatrix: undefined })}>
            {text.removeFile}
          </button>
        </span>
      )}
    </div>
  );
}
