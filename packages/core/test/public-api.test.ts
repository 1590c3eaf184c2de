import * as core from "@requant/core";
import * as node from "@requant/core/node";
import { expect, test } from "vitest";

/** A change here is a change of the public interface: it needs a changeset. Types are covered by the compiler. */
test("exports of @requant/core", () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "BF16",
      "ByteReader",
      "ByteWriter",
      "CodecError",
      "ConversionError",
      "F16",
      "F32",
      "FormatError",
      "IoError",
      "LimitError",
      "UnsupportedError",
      "UsageError",
      "affineParameters",
      "allocateKernelBuffer",
      "bfloatToFloat",
      "blobSource",
      "blockTwin",
      "cachedSource",
      "checkBlockLengths",
      "checkRowLengths",
      "checkStorePath",
      "coalescedSource",
      "countingSource",
      "defaultLimits",
      "dequantizeAbsmax",
      "dequantizeAffine",
      "elementCount",
      "fakeQuantize",
      "floatBitsToBfloat",
      "floatBitsToHalf",
      "floatToBfloat",
      "floatToHalf",
      "halfTable",
      "halfToFloat",
      "halfToFloatBits",
      "installKernels",
      "isCodecError",
      "kernelModule",
      "kernelsAreInstalled",
      "limitsWith",
      "memorySink",
      "memorySource",
      "memoryStore",
      "nearestInt",
      "packWords",
      "quantizationError",
      "quantizeAbsmax",
      "quantizeAffine",
      "rangeOf",
      "readChunks",
      "roundHalfAway",
      "roundHalfEven",
      "rowCount",
      "rowLength",
      "sliceSource",
      "uninstallKernels",
      "unpackWords",
      "urlSource",
      "urlStore",
      "wordCount",
    ]
  `);
});

test("exports of @requant/core/node", () => {
  expect(Object.keys(node).sort()).toMatchInlineSnapshot(`
    [
      "directoryStore",
      "fileSink",
      "fileSource",
    ]
  `);
});
