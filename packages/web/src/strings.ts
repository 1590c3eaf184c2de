/** Every English sentence of the page; messages of the libraries come as they are. */
export const strings = {
  title: "Requant",
  about: "Look at quantized models, compare them, convert them. Nothing is uploaded.",
  open: {
    files: "Open files",
    folder: "Open a folder",
    address: "Address",
    addressHint: "https://…, or owner/repo of the hub",
    openAddress: "Open",
    drop: "Drop files or folders anywhere on this page.",
    several: (first: string, more: number) => `${first} and ${more} more`,
    dropNow: "Drop to open",
  },
  models: {
    list: "Models",
    opening: "Opening…",
    close: (name: string) => `Close ${name}`,
    refused: "Refused",
    choose: "Choose one",
  },
  choices: {
    list: "Choices",
    title: (count: number) => `This repository has ${count} models. Which one?`,
  },
  tabs: { list: "Views", overview: "Overview", tensors: "Tensors" },
  overview: {
    facts: "Facts",
    fact: "Fact",
    claimed: "claimed",
    measured: "measured",
    encodings: "Encodings",
    files: "Files",
    findings: "Findings",
    noFindings: "Nothing to report.",
    examine: "Read all weights and look for faults",
    examining: "Reading all weights…",
    encoding: "Encoding",
    tensors: "Tensors",
    parameters: "Parameters",
    size: "Size",
    bitsPerWeight: "Bits per weight",
    file: "File",
  },
  tensors: {
    grid: "Tensors",
    filter: "Filter by name, encoding or file",
    count: (shown: number, all: number) =>
      shown === all
        ? `${all.toLocaleString("en")} tensors`
        : `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} tensors`,
    columns: {
      name: "Name",
      shape: "Shape",
      encoding: "Encoding",
      byteLength: "Size",
      bitsPerWeight: "Bits",
      file: "File",
    },
  },
  findings: {
    severity: { error: "Error", warning: "Warning", note: "Note" },
    at: "at",
    remedy: "What to do",
  },
  stop: "Stop",
} as const;
