// Reads vitest's JSON report and prints the one line that CI needs. Fails when a test or a file failed, or none ran.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const file of report.testResults) {
  if (file.assertionResults.length === 0 && file.status === "failed") counts.failed += 1;
  for (const test of file.assertionResults) {
    if (test.status === "passed") counts.passed += 1;
    else if (test.status === "failed") counts.failed += 1;
    else counts.skipped += 1;
  }
  if (file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")) {
    if (file.assertionResults.length > 0) counts.failed += 1;
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (counts.failed > 0 || counts.passed === 0) process.exit(1);
