import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  /** The id of a list of suggestions. */
  readonly list?: string;
  readonly type?: "text" | "search";
  /** Which keys a phone shows. */
  readonly inputMode?: "text" | "numeric";
  onText(value: string): void;
}

/** A label and its field, on one row of a form. */
export function TextField({
  label,
  value,
  placeholder,
  list,
  type = "text",
  inputMode = "text",
  onText,
}: TextFieldProps): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        list={list}
        inputMode={inputMode}
        placeholder={placeholder}
        value={value}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
    </div>
  );
}

interface ChooserProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly about?: string;
  onChoose(value: string): void;
}

export function Chooser({ label, value, options, about, onChoose }: ChooserProps): JSX.Element {
  const id = useId();
  return (
    <div class="field" title={about}>
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={about === undefined ? undefined : `${id}-about`}
        onChange={({ currentTarget }) => onChoose(currentTarget.value)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
      {about === undefined ? null : (
        <small id={`${id}-about`} class="about">
          {about}
        </small>
      )}
    </div>
  );
}

interface SwitchProps {
  readonly label: string;
  readonly about?: string;
  readonly checked: boolean;
  onSwitch(checked: boolean): void;
}

export function Switch({ label, about, checked, onSwitch }: SwitchProps): JSX.Element {
  const id = useId();
  return (
    <div class="switch">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={about === undefined ? undefined : `${id}-about`}
        onChange={({ currentTarget }) => onSwitch(currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {about === undefined ? null : <small id={`${id}-about`}>{about}</small>}
    </div>
  );
}

/** A part of a form with its title. */
export function Group({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <fieldset class="group">
      <legend>{title}</legend>
      {children}
    </fieldset>
  );
}
