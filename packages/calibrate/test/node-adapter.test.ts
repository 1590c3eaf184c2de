/** Refusals of `nodeAdapter`, each in a Node of its own that finds something else under the name of the npm package `webgpu`. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

const asUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** @param found the module's code, or undefined where there is none */
function refusal(found: string | undefined): unknown {
  const place =
    found === undefined
      ? 'next("webgpu-which-nobody-has", context)'
      : `{ url: ${JSON.stringify(asUrl(found))}, shortCircuit: true }`;
  const hooks = `import { registerHooks } from "node:module";
    registerHooks({ resolve: (name, context, next) => name === "webgpu" ? ${place} : next(name, context) });`;
  const program = `import { nodeAdapter } from "@requant/calibrate/node";
    await nodeAdapter().catch(({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=@requant/source", "--import", asUrl(hooks), "--input-type=module", "--eval", program],
    { cwd: root, encoding: "utf8" },
  );
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

it.each([
  {
    name: "no package",
    found: undefined,
    message: "WebGPU in Node needs the npm package webgpu, which is not installed.",
    hint: "Install it with npm install webgpu, or compute on the CPU.",
  },
  {
    name: "a package without a program for this machine",
    found: 'throw new Error("Cannot find dawn.node.")',
    message: "WebGPU in Node needs the npm package webgpu, which cannot be loaded: Cannot find dawn.node.",
    hint: "Install it with npm install webgpu, or compute on the CPU.",
  },
  {
    name: "another package",
    found: "export const other = 1",
    message: "The npm package webgpu has no function `create`.",
    hint: "Install a newer version with npm install webgpu@latest.",
  },
  {
    name: "no adapter",
    found: "export const create = () => ({ requestAdapter: async () => null })",
    message: "WebGPU finds no adapter on this machine.",
    hint: "Install the driver of the graphics card, or compute on the CPU.",
  },
])("$name is refused", ({ found, message, hint }) => {
  expect(refusal(found)).toEqual({ code: "UNSUPPORTED", message, hint });
});
