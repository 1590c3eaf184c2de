/**
 * A small text in the public domain for calibrating quantized language models: many languages, code, dialogue, numbers.
 * @module
 * @example
 * import { calibrationText, passages } from "@requant/calibration-text";
 *
 * const languages = new Set(passages.map(({ language }) => language));
 * console.log(calibrationText.length, [...languages].join(", "));
 */
import { interleave } from "./interleave.ts";
import type { Passage } from "./passage.ts";
import { arabic, hebrewAndPersian } from "./passages/arabic.ts";
import { chinese } from "./passages/chinese.ts";
import { applicationCode } from "./passages/code-applications.ts";
import { scripts } from "./passages/code-scripts.ts";
import { systemsCode } from "./passages/code-systems.ts";
import { data } from "./passages/data.ts";
import { dialogue } from "./passages/dialogue.ts";
import { english } from "./passages/english.ts";
import { french } from "./passages/french.ts";
import { german } from "./passages/german.ts";
import { portuguese, spanish } from "./passages/iberian.ts";
import { bengaliAndTamil, hindi } from "./passages/indic.ts";
import { italian } from "./passages/italian.ts";
import { japanese, korean } from "./passages/japanese.ts";
import { mathematics } from "./passages/mathematics.ts";
import { moreLanguages } from "./passages/more-languages.ts";
import { russian, ukrainianAndPolish } from "./passages/russian.ts";
import { lists, tables } from "./passages/tables.ts";

export type { Passage, PassageKind } from "./passage.ts";

/** All passages, kinds and languages mixed, so that any long enough prefix is varied. */
export const passages: readonly Passage[] = interleave([
  english,
  applicationCode,
  chinese,
  dialogue,
  german,
  mathematics,
  russian,
  systemsCode,
  french,
  tables,
  arabic,
  scripts,
  spanish,
  japanese,
  data,
  hindi,
  portuguese,
  lists,
  korean,
  italian,
  moreLanguages,
  ukrainianAndPolish,
  bengaliAndTamil,
  hebrewAndPersian,
]);

/** The texts of all passages, one after the other, with an empty line between them. */
export const calibrationText: string = passages.map(({ text }) => text).join("\n\n");
