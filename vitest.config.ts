import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const browserNames = ["chromium", "firefox", "webkit"] as const;

/** Also run in a browser here, and in the oldest Node by test/oldest-node.test.ts: they use no Node and no files. */
const kernelSuites = "packages/*/test/{,grid-,nibble-,solve-}kernels.test.ts";

const CHROMIUM = "/usr/bin/chromium";
/** A browser that Playwright has downloaded, in place of the one of this machine: chromium, firefox or webkit. */
const asked = process.env["REQUANT_BROWSER"];
const name = browserNames.find((known) => known === asked) ?? "chromium";
if (asked !== undefined && asked !== name)
  throw new Error(`REQUANT_BROWSER is ${asked}; it may be ${browserNames.join(", ")}.`);
const hasBrowser = asked !== undefined || existsSync(CHROMIUM);
if (!hasBrowser) console.log(`Kernels in Chromium: skipped, there is no ${CHROMIUM}.`);

/** Chromium's Vulkan driver in software, for WebGPU in Node: the drivers of this machine may be missing or too old. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";
const softwareVulkan = existsSync(SWIFTSHADER) ? { VK_ICD_FILENAMES: SWIFTSHADER } : {};

/** Written for Chromium only: WebGPU in software, and files of the browser. */
const chromiumSuites = [
  "packages/calibrate/test/webgpu.test.ts",
  "packages/convert/test/browser-packages.test.ts",
];
const chromium = {
  ...(asked === undefined ? { executablePath: CHROMIUM } : {}),
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

const sources = {
  resolve: { conditions: ["@requant/source"] },
  ssr: { resolve: { conditions: ["@requant/source"] } },
};
const patience = { testTimeout: 60_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    // by default vitest leaves one core free, which is half of a machine with two cores
    maxWorkers: "100%",
    projects: [
      {
        ...sources,
        test: {
          ...patience,
          name: "node",
          include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "test/**/*.test.ts"],
          environment: "node",
          env: softwareVulkan,
        },
      },
      ...(hasBrowser
        ? [
            {
              ...sources,
              define: { "process.env.REQUANT_SEED": JSON.stringify(process.env["REQUANT_SEED"] ?? null) },
              test: {
                ...patience,
                name,
                include: name === "chromium" ? [kernelSuites, ...chromiumSuites] : [kernelSuites],
                browser: {
                  enabled: true,
                  headless: true,
                  screenshotFailures: false,
                  instances: [{ browser: name }],
                  provider: playwright({ launchOptions: name === "chromium" ? chromium : {} }),
                },
              },
            },
          ]
        : []),
    ],
  },
});
