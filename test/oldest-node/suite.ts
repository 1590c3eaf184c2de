/**
 * The part of vitest that the kernel suites use, on top of Node's own test runner, because vitest does not run in the
 * oldest supported Node. A function that is missing here makes the suite fail.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { format } from "node:util";

type Body = () => void | Promise<void>;
type RowBody = (...row: never[]) => void | Promise<void>;

export const afterEach: (body: Body) => void = test.afterEach;
export const afterAll: (body: Body) => void = test.after;

/** `each`: one test for each row; a row that is no array is the one argument. */
function rows(add: (name: string, body: Body) => void, table: readonly unknown[]) {
  return (name: string, body: RowBody): void => {
    for (const row of table) {
      const values = Array.isArray(row) ? row : [row];
      const used = (name.match(/%[sdifjoO]/g) ?? []).length;
      add(format(name, ...values.slice(0, used)), () => Reflect.apply(body, undefined, values));
    }
  };
}

const addTest = (name: string, body: Body): void => {
  test.it(name, () => body());
};
const skipTest = (name: string, body: Body): void => {
  test.it(name, { skip: true }, body);
};
const addSuite = (name: string, body: Body): void => {
  test.describe(name, () => body());
};
const skipSuite = (name: string, body: Body): void => {
  test.describe(name, { skip: true }, () => body());
};

function withEach(add: typeof addTest) {
  return Object.assign((name: string, body: Body) => add(name, body), {
    each: (table: readonly unknown[]) => rows(add, table),
  });
}

function withConditions(add: typeof addTest, skip: typeof addTest) {
  return Object.assign(withEach(add), {
    skipIf: (skipped: unknown) => withEach(skipped ? skip : add),
    runIf: (wanted: unknown) => withEach(wanted ? add : skip),
  });
}

export const it = withConditions(addTest, skipTest);
export const describe = withConditions(addSuite, skipSuite);

function matchers(actual: unknown, message?: string) {
  const check = (holds: boolean, what: string, expected: unknown): void => {
    if (!holds)
      assert.fail(`${message ?? "expected"}: ${format("%o", actual)} ${what} ${format("%o", expected)}`);
  };
  return {
    toBe: (expected: unknown) => check(Object.is(actual, expected), "is not", expected),
    toEqual: (expected: unknown) => assert.deepStrictEqual(actual, expected, message),
    toBeTypeOf: (expected: string) => check(typeof actual === expected, "is no", expected),
    toBeGreaterThan: (expected: number) =>
      check(typeof actual === "number" && actual > expected, "is not above", expected),
    toBeLessThan: (expected: number) =>
      check(typeof actual === "number" && actual < expected, "is not below", expected),
    toBeLessThanOrEqual: (expected: number) =>
      check(typeof actual === "number" && actual <= expected, "is above", expected),
    toMatch: (expected: RegExp) =>
      check(typeof actual === "string" && expected.test(actual), "is not", expected),
    toThrow(expected: RegExp | string) {
      if (typeof actual !== "function") assert.fail("only a function can throw");
      const isExpected = (error: Error): boolean =>
        typeof expected === "string" ? error.message.includes(expected) : expected.test(String(error));
      assert.throws(() => Reflect.apply(actual, undefined, []), isExpected);
    },
  };
}

export const expect = Object.assign(matchers, {
  fail(message: string): never {
    assert.fail(message);
  },
});
