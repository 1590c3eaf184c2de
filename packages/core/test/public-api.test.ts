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
      "bfloatToFloat",
      "blobSource",
      "blobStore",
      "cachedSource",
      "checkStorePath",
      "coalescedSource",
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
      "halvesAreFinite",
      "isCodecError",
      "limitsWith",
      "memorySink",
      "memorySource",
      "memoryStore",
      "nearestInt",
      "quantizationError",
      "quantizeAbsmax",
      "quantizeAffine",
      "rangeOf",
      "readAheadSource",
      "readChunks",
      "roundHalfAway",
      "roundHalfEven",
      "rowCount",
      "rowLength",
      "sliceSource",
      "urlSource",
      "urlStore",
    ]
  `);
});

test("exports of @requant/core/node", () => {
  expect(Object.keys(node).sort()).toMatchInlineSnapshot(`
    [
      "directoryStore",
      "fileSink",
      "fileSource",
      "lockFile",
      "openStagedFile",
    ]
  `);
});
