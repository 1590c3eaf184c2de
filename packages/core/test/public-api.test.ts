import * as core from "@requant/core";
import * as bits from "@requant/core/bits";
import * as format from "@requant/core/format";
import * as http from "@requant/core/http";
import * as hub from "@requant/core/hub";
import * as kernels from "@requant/core/kernels";
import * as node from "@requant/core/node";
import * as numeric from "@requant/core/numeric";
import * as solve from "@requant/core/solve";
import * as testing from "@requant/core/testing";
import * as view from "@requant/core/view";
import * as web from "@requant/core/web";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test.each(
  Object.entries({ core, bits, format, http, hub, kernels, node, numeric, solve, testing, view, web }),
)("exports of %s", (_name, exported) => {
  expect(Object.keys(exported).sort()).toMatchSnapshot();
});
