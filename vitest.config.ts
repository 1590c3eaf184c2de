import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

/** Also run in a browser here, and in the oldest Node by test/oldest-node.test.ts: they use no Node and no files. */
const kernelSuites = "packages/*/test/{,grid-,nibble-,solve-}kernels.test.ts";

const CHROMIUM = "/usr/bin/chromium";
const hasChromium = existsSync(CHROMIUM);
if (!hasChromium) console.log(`Kernels in Chromium: skipped, there is no ${CHROMIUM}.`);

/** Chromium's Vulkan driver in software, for WebGPU in Node: the drivers of this machine may be missing or too old. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";
const softwareVulkan = existsSync(SWIFTSHADER) ? { VK_ICD_FILENAMES: SWIFTSHADER } : {};

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
      ...(hasChromium
        ? [
            {
              ...sources,
              define: { "process.env.REQUANT_SEED": JSON.stringify(process.env["REQUANT_SEED"] ?? null) },
              test: {
                ...patience,
                name: "chromium",
                include: [
                  kernelSuites,
                  "packages/calibrate/test/webgpu.test.ts",
                  "packages/convert/test/browser-packages.test.ts",
                ],
                browser: {
                  enabled: true,
                  headless: true,
                  screenshotFailures: false,
                  instances: [{ browser: "chromium" as const }],
                  provider: playwright({
                    launchOptions: {
                      executablePath: CHROMIUM,
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
                    },
                  }),
                },
              },
            },
          ]
        : []),
    ],
  },
});
