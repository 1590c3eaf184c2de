import type { WeightTarget } from "../format/weight-target.ts";
import { exampleSpellings, parseWords, readWord, spellWords } from "../format/word-spec.ts";
import { CALLER_FAULTS, check, checkRefused } from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { settingsOf } from "./packed.ts";
import { exampleWithout, numberWord, sampleWords } from "./sample-words.ts";

/** The words of a target: parsing, spelling and help use one description. */
export function wordCases({ format: { target } }: Subject): ConformanceCase[] {
  if (target === undefined) return [];
  return [
    { name: "every word parses, is spelled, and parses again", run: async () => wordsRoundTrip(target) },
    { name: "every example parses, and no word means two things", run: async () => examplesParse(target) },
    { name: "words out of range are refused", run: () => wordsOutOfRange(target) },
  ];
}

function wordsRoundTrip(target: WeightTarget): void {
  const { words, example } = target;
  for (const { spec, word, value } of sampleWords(words)) {
    const settings = parseWords(words, `${exampleWithout(example, spec)}${word}`);
    const { key } = spec;
    check(
      settings[key] === value,
      `${word} sets ${key} to ${String(settings[key])}, not to ${String(value)}.`,
    );
    const spelled = spellWords(words, settings);
    const again = parseWords(words, spelled);
    check(again[key] === value, `${word} is spelled ${spelled}, where ${key} is ${String(again[key])}.`);
    check(spellWords(words, again) === spelled, `${spelled} is spelled otherwise once it was parsed.`);
  }
}

function examplesParse(target: WeightTarget): void {
  const { words, example } = target;
  const spellings = exampleSpellings(words);
  check(spellings.length > 0, "There are no example spellings, so no listing shows the target.");
  settingsOf(target, example);
  for (const text of spellings) {
    const spelled = spellWords(words, parseWords(words, text));
    check(spelled === text, `The example ${text} is spelled ${spelled} once it was parsed.`);
  }
  for (const { spec, word } of sampleWords(words)) {
    const found = readWord(words, word)?.key;
    check(found === spec.key, `The word ${word} of ${spec.key} is read as one of ${found}.`);
  }
  const silent = words.filter(({ about }) => about.trim() === "").map(({ key }) => key);
  check(silent.length === 0, `Help says nothing about ${silent.join(", ")}.`);
}

async function wordsOutOfRange(target: WeightTarget): Promise<void> {
  const { words, example } = target;
  await checkRefused(
    () => settingsOf(target, `${example}-nosuchword`),
    CALLER_FAULTS,
    "a word of no setting",
  );
  for (const spec of words) {
    if (spec.words.kind !== "number") continue;
    const { least, most, refused = [] } = spec.words;
    for (const value of [least - 1, most + 1, ...refused]) {
      const text = `${exampleWithout(example, spec)}${numberWord(spec.words, value)}`;
      await checkRefused(() => settingsOf(target, text), CALLER_FAULTS, text);
    }
  }
}
