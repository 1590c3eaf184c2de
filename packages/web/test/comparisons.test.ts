/** Comparisons and the models that they compare. The host is a stand-in that notes what the page asks of it. */
import { afterAll, beforeEach, expect, it, vi } from "vitest";
import type { HostReply, HostRequest } from "../src/host/protocol.ts";
import { refusalOf } from "../src/host/refusal.ts";
import { comparisonOf, forgetComparisons } from "../src/state/comparisons.ts";

const asked: HostRequest[] = [];
let reply: (message: HostReply) => void;

class NotingHost {
  onmessage: (event: { readonly data: HostReply }) => void = () => undefined;
  constructor() {
    reply = (data) => this.onmessage({ data });
  }
  postMessage(request: HostRequest): void {
    asked.push(request);
  }
}

vi.stubGlobal("Worker", NotingHost);
afterAll(() => {
  vi.unstubAllGlobals();
});
beforeEach(() => {
  asked.length = 0;
});

const stopped = refusalOf(new DOMException("stopped", "AbortError"));

it("closing either model stops the comparison and forgets it", async () => {
  for (const closed of [1, 2]) {
    asked.length = 0;
    const comparison = comparisonOf({ a: 1, b: 2 });
    const running = comparison.start();
    const [call] = asked;
    expect(call).toMatchObject({ kind: "call", name: "compare", input: { a: 1, b: 2 } });
    forgetComparisons(closed);
    expect(asked.slice(1)).toEqual([{ kind: "cancel", id: call?.id }]);
    reply({ kind: "failed", id: call?.id ?? 0, refusal: stopped });
    await running;
    expect(comparison.state.value).toEqual({ kind: "none" });
    expect(comparisonOf({ a: 1, b: 2 })).not.toBe(comparison);
    forgetComparisons(1);
  }
});

it("closing another model leaves it running", () => {
  const comparison = comparisonOf({ a: 3, b: 4 });
  void comparison.start();
  forgetComparisons(5);
  expect(asked.map(({ kind }) => kind)).toEqual(["call"]);
  expect(comparisonOf({ a: 3, b: 4 })).toBe(comparison);
  expect(comparison.state.value).toEqual({ kind: "running", share: 0 });
});
