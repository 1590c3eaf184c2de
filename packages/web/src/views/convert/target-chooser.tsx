import type { TargetDescription, TargetWords } from "@requant/convert";
import type { JSX } from "preact";
import { useEffect, useId } from "preact/hooks";
import { withWord } from "../../conversion/compose-target.ts";
import type { TargetParts } from "../../host/methods/targets.ts";
import type { Conversion } from "../../state/conversion.ts";
import { loadTargets, targets } from "../../state/targets.ts";
import { strings } from "../../strings.ts";
import { Chooser, Group, TextField } from "../../ui/labelled.tsx";

/** The target: typed, or put together from what the formats say of themselves. */
export function TargetChooser({ conversion }: { readonly conversion: Conversion }): JSX.Element {
  const text = strings.convert.target;
  const listId = useId();
  useEffect(() => void loadTargets(), []);
  const { formats = [], spellings = [] } = targets.value ?? {};
  const parts = conversion.parts.value;
  const format = formats.find(({ name }) => name === parts?.format);
  const choose = (target: string): void => conversion.choose({ target });
  const presets = format?.examples ?? formats.map(({ example }) => example);
  return (
    <Group title={text.title}>
      <TextField
        label={text.field}
        value={conversion.choices.value.target}
        placeholder={text.examples}
        list={listId}
        onText={choose}
      />
      <datalist id={listId}>
        {spellings.map((spelling) => (
          <option key={spelling} value={spelling} />
        ))}
      </datalist>
      <Chooser
        label={text.format}
        value={format?.name ?? ""}
        options={[["", text.choose], ...formats.map(({ name }) => [name, name] as const)]}
        onChoose={(name) => choose(formats.find((one) => one.name === name)?.example ?? "")}
      />
      {format === undefined || parts === undefined ? null : (
        <Words format={format} parts={parts} onParts={(chosen) => conversion.chooseParts(chosen)} />
      )}
      <div class="chips" role="group" aria-label={text.presets}>
        {presets.map((target) => (
          <button
            key={target}
            type="button"
            class="chip"
            aria-pressed={target === conversion.choices.value.target}
            onClick={() => choose(target)}
          >
            {target}
          </button>
        ))}
      </div>
      {format?.rounding === undefined ? null : <p class="quiet small">{format.rounding}</p>}
    </Group>
  );
}

interface WordsProps {
  readonly format: TargetDescription;
  readonly parts: TargetParts;
  onParts(parts: TargetParts): void;
}

/** One chooser for each setting of the format, or one for its types. */
function Words({ format, parts, onParts }: WordsProps): JSX.Element {
  const { type, none } = strings.convert.target;
  if (format.words.length === 0) {
    const spellings = format.spellings.includes(parts.text)
      ? format.spellings
      : [parts.text, ...format.spellings];
    return (
      <Chooser
        label={type}
        value={parts.text}
        options={spellings.map((word) => [word, word])}
        onChoose={(word) => onParts({ format: format.name, text: word, words: {} })}
      />
    );
  }
  return (
    <>
      {format.words.map((spec) => (
        <Chooser
          key={spec.key}
          label={strings.convert.settings[spec.key] ?? spaced(spec.key)}
          about={spec.about}
          value={parts.words[spec.key] ?? ""}
          options={optionsOf(spec, parts.words[spec.key], none)}
          onChoose={(word) => onParts(withWord(format, parts, spec.key, word))}
        />
      ))}
    </>
  );
}

/** Typical words, the one that is chosen, and none where none need be chosen. */
function optionsOf(
  { typical, preset }: TargetWords,
  chosen: string | undefined,
  none: string,
): (readonly [string, string])[] {
  const all = [...typical, ...(chosen === undefined || typical.includes(chosen) ? [] : [chosen])];
  const words = all.map((word) => [word, word] as const);
  return preset === undefined || chosen === undefined ? [["", none], ...words] : words;
}

/** "scaleType" is "Scale type". */
function spaced(key: string): string {
  const words = key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
