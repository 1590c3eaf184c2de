import { check } from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { recognises } from "./format-vector.ts";

/** Which modules the format recognises as its own. */
export function recognitionCases({ format, vectors }: Subject): ConformanceCase[] {
  return [
    {
      name: "there are vectors",
      async run() {
        check(vectors.length > 0, `There is no vector of ${format.name}.`);
        const names = new Set(vectors.map(({ name }) => name));
        check(names.size === vectors.length, "Two vectors have one name.");
      },
    },
    {
      name: "modules of the format are recognised, float modules are not",
      async run() {
        for (const vector of vectors) {
          check(recognises(format, vector), `${vector.name}: the parts are not recognised.`);
        }
        const weight = { suffix: "weight", encoding: "F16", shape: [64, 64] };
        const bias = { suffix: "bias", encoding: "F16", shape: [64] };
        for (const parts of [[weight], [weight, bias]]) {
          const claimed = recognises(format, { parts, bytes: {}, config: {} });
          check(!claimed, `${parts.map(({ suffix }) => suffix).join(" and ")} alone are recognised.`);
        }
      },
    },
  ];
}
