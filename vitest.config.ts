import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@requant/source"] },
  ssr: { resolve: { conditions: ["@requant/source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "test/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
