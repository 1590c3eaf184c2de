/**
 * Chat templates are programs in Jinja, which other software runs. Requant never does: a template is text. This looks for
 * what an honest one has no use for: Python's internals (CVE-2024-34359), other files, loops without a bound.
 */
import type { Finding, FindingPlace } from "@requant/core";
import { bounded } from "@requant/core/text";
import { finding } from "../../model/findings/finding.ts";

const reaches: readonly (readonly [RegExp, string])[] = [
  [/__[a-z]\w*__/i, "uses Python's internal attributes"],
  [/\\(?:x5f|u005f|137)/i, "writes underscores as escapes, which hides internal attributes"],
  [/\|\s*attr\s*\(/i, "reaches attributes through the attr filter"],
  [/\b(?:popen|subprocess|importlib|builtins)\b/i, "calls the operating system"],
  [/\bos\s*\.\s*\w+\s*\(/i, "calls the operating system"],
  [/\b(?:eval|exec|compile)\s*\(/i, "runs text as a program"],
  [/\b(?:mro|func_globals|gi_frame|f_globals|tb_frame)\b/i, "walks Python's objects"],
];

const loads = /^\{%[-+]?\s*(?:include|import|from|extends)\b/;

/** More turns than any conversation has messages. */
const MANY_TURNS = 1_000_000;

export function templateFindings(template: string, place: FindingPlace): Finding[] {
  const found = new Map<string, Finding>();
  const add = (code: "suspicious-template" | "heavy-template", what: string): void => {
    found.set(what, found.get(what) ?? finding(code, `The chat template ${what}.`, place));
  };
  let loopDepth = 0;
  for (const tag of tagsOf(template)) {
    for (const [pattern, what] of reaches) if (pattern.test(tag)) add("suspicious-template", what);
    if (loads.test(tag)) add("suspicious-template", "loads other files");
    for (const range of rangesOf(tag)) {
      if (boundOf(range) >= MANY_TURNS) add("heavy-template", `counts to ${bounded(range.trim(), 40)}`);
    }
    if (/^\{%[-+]?\s*for\b/.test(tag) && /\brange\s*\(/.test(tag)) {
      loopDepth += 1;
      if (loopDepth >= 4) add("heavy-template", "has counting loops inside each other");
    } else if (/^\{%[-+]?\s*endfor\b/.test(tag)) loopDepth = Math.max(0, loopDepth - 1);
    if (/\*\*\s*\d|\*\s*\d{7}/.test(tag)) add("heavy-template", "computes with very large numbers");
  }
  return [...found.values()];
}

/** What stands between the brackets of each `range(…)`. Each character is looked at once. */
function* rangesOf(tag: string): Generator<string> {
  const opening = /\brange\s*\(/g;
  while (opening.exec(tag) !== null) {
    const start = opening.lastIndex;
    const end = tag.indexOf(")", start);
    // no later one is closed either
    if (end < 0) return;
    yield tag.slice(start, end);
    opening.lastIndex = end + 1;
  }
}

/** The largest number that is written in it. */
function boundOf(text: string): number {
  let bound = 0;
  for (const [digits] of text.replaceAll("_", "").matchAll(/\d+(?:e\d+)?/gi)) {
    bound = Math.max(bound, Number(digits));
  }
  return bound;
}

/** `{{ … }}` and `{% … %}`: text outside is only printed. One pass, whatever the text. */
function* tagsOf(template: string): Generator<string> {
  let at = 0;
  for (;;) {
    const start = template.indexOf("{", at);
    if (start < 0) return;
    const kind = template[start + 1];
    if (kind !== "{" && kind !== "%" && kind !== "#") {
      at = start + 1;
      continue;
    }
    const close = kind === "{" ? "}}" : kind === "%" ? "%}" : "#}";
    const end = template.indexOf(close, start + 2);
    // never closed: a renderer would refuse it
    if (end < 0) return;
    if (kind !== "#") yield template.slice(start, end + 2);
    at = end + 2;
  }
}
